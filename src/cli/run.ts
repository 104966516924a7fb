import { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { VideoExplainerError } from "../errors.js";
import { createLogger } from "../log.js";
import { startStation } from "../station/run.js";
import { checkConfig } from "./validate.js";

/** However slow a far end is, the process is gone so long after the first SIGTERM. */
const LAST_RESORT_MS = 9500;

async function run(path: string): Promise<void> {
  const loaded = await loadConfig(path);
  await checkConfig(loaded);
  const log = createLogger({ level: loaded.config.log.level });
  const handle = await startStation(loaded, log);
  for (const sink of handle.sinks) {
    const { url } = sink as { url?: string };
    if (url) log.info(`${sink.name}: ${url}`);
  }
  log.info(`metrics: ${handle.metricsUrl}/metrics`);
  let signalled = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signalled) return;
    signalled = true;
    log.info(`${signal}: stopping the sources, finishing what is in flight`);
    setTimeout(() => {
      log.error(`not everything was flushed within ${LAST_RESORT_MS / 1000} s of ${signal}; ending now`);
      process.exit(1);
    }, LAST_RESORT_MS).unref();
    void handle.stop();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const end = await handle.ended;
  log.info(`done: ${end.frames} frames captured, ${end.explained} explained`);
  if (end.faults.length > 0) throw new VideoExplainerError("run", end.faults.join("\n"));
}

/** `video-explainer run CONFIG` */
export const runCommand = (): Command =>
  new Command("run")
    .description("the worker: explain every source of a configuration until it ends or SIGTERM")
    .argument("<config>", "YAML configuration")
    .addHelpText(
      "after",
      `
SIGTERM and Ctrl-C stop the sources, finish what is in flight and flush the sinks within 10 s.
Exit codes: 0 done, 1 a source or sink failed, 2 the configuration, model or a film is wrong.

Example:
  $ video-explainer run config/demo.yaml`,
    )
    .action(run);
