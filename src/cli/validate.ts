import { Command, Option } from "commander";
import { type LoadedConfig, loadConfig } from "../config/load.js";
import { resolvedData, resolvedYaml } from "../config/resolved.js";
import { ConfigError, type ConfigFault } from "../errors.js";
import { DEVICES, type Device } from "../explain/engine-names.js";
import type { Agreement } from "../explain/engines/engine.js";
import { explainerOptions } from "../station/explainer-options.js";
import { type ConfigCheck, configChecks } from "./config-checks.js";

interface ValidateOptions {
  json?: boolean;
  quiet?: boolean;
  files: boolean;
  engine?: string;
  device?: Device | "auto";
}

/** Adds the place in the text to faults that checks found. */
function placed(loaded: LoadedConfig, fault: ConfigFault): ConfigFault {
  if (fault.line !== undefined) return fault;
  const { line, column } = loaded.locate(fault.path);
  return { ...fault, line, column, message: `${loaded.fileName}:${line}:${column}: ${fault.message}` };
}

/** Runs checks on a loaded configuration. Throws ConfigError with all their faults, in the order of the text. */
export async function checkConfig(loaded: LoadedConfig, checks: readonly ConfigCheck[] = configChecks): Promise<void> {
  const found = await Promise.all(checks.map((check) => check(loaded.config, loaded.baseDir)));
  const faults = found.flat().map((fault) => placed(loaded, fault));
  faults.sort((a, b) => a.line! - b.line! || a.column! - b.column!);
  if (faults.length > 0) throw new ConfigError(faults);
}

const print = (text: string): void => void process.stdout.write(text);
const json = (value: unknown): void => print(`${JSON.stringify(value, null, 2)}\n`);

async function validate(path: string, options: ValidateOptions): Promise<void> {
  try {
    const loaded = await loadConfig(path);
    await checkConfig(loaded, options.files ? configChecks : []);
    const wantsTrial = options.engine !== undefined || options.device !== undefined;
    const trial = wantsTrial ? await tryConfigured(loaded, options) : undefined;
    if (options.quiet) return;
    if (options.json) json({ valid: true, config: resolvedData(loaded.config), trial });
    else {
      print(resolvedYaml(loaded.config));
      if (trial) print(`# ${trialSentence(trial)}\n`);
    }
  } catch (error) {
    if (options.json && !options.quiet && error instanceof ConfigError) json({ valid: false, faults: error.faults });
    throw error;
  }
}

/** What came of a trial of the configured model. */
interface Trial {
  /** Engine and device, such as `onnxruntime-webgpu`. */
  engine: string;
  /** Absent of what the others are held against. */
  agreement?: Agreement;
  /** Why each better one was not taken. */
  skipped: readonly string[];
}

/** Tries the configured model on an engine and a device, as a station does at its start. */
async function tryConfigured({ config, baseDir }: LoadedConfig, options: ValidateOptions): Promise<Trial> {
  const { engine: kind = config.engine.kind, device = config.engine.device } = options;
  const given = explainerOptions({ ...config, engine: { ...config.engine, kind, device } }, baseDir);
  const { compileRunner } = await import("../explain/runtime/choose-device.js");
  const { runner } = await compileRunner(given, false);
  await runner.close();
  return { engine: runner.name, agreement: runner.verdict?.agreement, skipped: runner.skipped ?? [] };
}

function trialSentence({ engine, agreement, skipped }: Trial): string {
  const others = skipped.length === 0 ? "" : `; not taken: ${skipped.join("; ")}`;
  if (agreement === undefined) return `${engine} is what other engines and devices are held against${others}`;
  const { error, correlation, sameClass } = agreement;
  const classes = sameClass ? "the same class" : "another class";
  return `${engine} agrees with the processor: largest difference ${error.toExponential(1)} of the largest relevance, correlation ${correlation.toFixed(6)}, ${classes}${others}`;
}

/** `video-explainer validate CONFIG` */
export const validateCommand = (): Command =>
  new Command("validate")
    .description("check a configuration and print it with its defaults")
    .argument("<config>", "YAML configuration")
    .option("--json", "print a JSON object: the configuration, or its faults")
    .option("--quiet", "print nothing when it is valid")
    .option("--engine <name>", "try the model on this engine, and print how its maps agree with the processor's")
    .addOption(
      new Option("--device <name>", "try the model on this device; auto: on those that are here").choices([
        "auto",
        ...DEVICES,
      ]),
    )
    .option("--no-files", "do not look at the model and the films that it names")
    .addHelpText(
      "after",
      `
Exit code 2 when there is a fault, 1 when the engine or the device does not pass the trial. Each fault is printed with its
line and column. Passwords are not printed.

Example:
  $ video-explainer validate demo.yaml
  demo.yaml:12:5: sources[0].polcy is not a known key; did you mean "policy"?`,
    )
    .action(validate);
