import { Command, Option } from "commander";
import { type LoadedConfig, loadConfig } from "../config/load.js";
import { ROLES, type Role } from "../config/schema.js";
import { InputError } from "../errors.js";
import { closeSpawner, spawner } from "../ffmpeg/spawner.js";
import { createLogger, silentLogger } from "../log.js";
import { type RunHandle, startStation } from "../station/run.js";
import { type ConfigCheck, checkModel, configChecks, reloadChecks, startChecks } from "./config-checks.js";
import { errorLines, exitCodeOf } from "./errors.js";
import { hearLibraries } from "./library-output.js";
import { onSignal } from "./signals.js";
import { checkConfig } from "./validate.js";
import { watchFile } from "./watch-file.js";

/** However slow a far end is, the process is gone so long after the first signal. */
const LAST_RESORT_MS = 9500;

/** Throws what these checks find instead of an error of the user's making, as `validate` does, with places; else the error itself. */
const faultsOf =
  (loaded: LoadedConfig, checks: readonly ConfigCheck[]) =>
  async (error: unknown): Promise<never> => {
    if (error instanceof InputError) await checkConfig(loaded, checks);
    throw error;
  };

interface RunOptions {
  role?: Role;
  watch: boolean;
}

async function run(path: string, { role, watch }: RunOptions, command: Command): Promise<void> {
  let log = silentLogger;
  let handle: RunHandle | undefined;
  let signalled = false;
  /** It came before there was anything to change. */
  let isReloadOwed = false;
  const reload = (): void => {
    if (signalled) return;
    isReloadOwed = handle === undefined;
    void handle?.reload(async (running) => {
      const again = await loadConfig(path, process.env, role);
      await checkConfig(again, reloadChecks(running));
      return again.config;
    });
  };
  const stop = (signal: NodeJS.Signals): void => {
    if (signalled) return;
    signalled = true;
    // No source is open yet, so there is nothing to finish.
    if (!handle) process.exit(0);
    log.info(`${signal}: stopping the sources, finishing what is in flight`);
    setTimeout(() => {
      log.error(`not everything was flushed within ${LAST_RESORT_MS / 1000} s of ${signal}; ending now`);
      process.exit(1);
    }, LAST_RESORT_MS).unref();
    void handle.stop();
  };
  onSignal(stop, reload);
  // While this process is small: nothing that it starts later is copied from it when it is large.
  spawner();
  // Before it is read: a change in between is not missed.
  const unwatch = watch ? watchFile(path, reload) : () => {};
  const loaded = await loadConfig(path, process.env, role);
  // All faults at once, those of the model too.
  await checkConfig(loaded, startChecks).catch(faultsOf(loaded, configChecks));
  log = createLogger({ level: loaded.config.log.level });
  hearLibraries(log.debug);
  const start =
    loaded.config.role === "explain" ? (await import("../station/run-explain.js")).startExplainWorker : startStation;
  handle = await start(loaded, log).catch(faultsOf(loaded, [checkModel]));
  if (isReloadOwed) reload();
  const end = await handle.ended;
  unwatch();
  await closeSpawner();
  log.info(`done: ${end.frames} frames captured, ${end.explained} explained`);
  for (const fault of end.faults) {
    for (const line of errorLines(fault, command.optsWithGlobals().verbose === true)) process.stderr.write(`${line}\n`);
  }
  // That something failed weighs more than that an input was bad.
  if (end.faults.length > 0) process.exitCode = Math.min(...end.faults.map(exitCodeOf));
}

/** `video-explainer run CONFIG` */
export const runCommand = (): Command =>
  new Command("run")
    .description("the worker: explain every source of a configuration until it ends or SIGTERM")
    .argument("<config>", "YAML configuration")
    .addOption(
      new Option("--role <role>", "instead of the configuration's: what of the work is done here").choices([...ROLES]),
    )
    .option("--no-watch", "do not read the configuration anew when its file has changed, but at SIGHUP alone")
    .addHelpText(
      "after",
      `
SIGTERM, Ctrl-C and a closed terminal stop the sources, finish what is in flight and flush the sinks within 10 s.
A changed configuration file, and SIGHUP, have it read anew: sources, explain, overlay, warnings, control and what
sinks take (only) change while the rest goes on. What needs a restart is named in the log; a faulty file changes nothing.
Of a film that is damaged or cut off, what can be decoded is explained and the rest reported.
Exit codes: 0 done, 1 a source or sink failed, 2 the configuration, the model or a film is wrong.

Example:
  $ video-explainer run config/demo.yaml`,
    )
    .action(run);
