import { Command } from "commander";
import { type LoadedConfig, loadConfig } from "../config/load.js";
import { resolvedData, resolvedYaml } from "../config/resolved.js";
import { ConfigError, type ConfigFault } from "../errors.js";
import { type ConfigCheck, configChecks } from "./config-checks.js";

interface ValidateOptions {
  json?: boolean;
  quiet?: boolean;
  files: boolean;
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
    if (options.quiet) return;
    if (options.json) json({ valid: true, config: resolvedData(loaded.config) });
    else print(resolvedYaml(loaded.config));
  } catch (error) {
    if (options.json && !options.quiet && error instanceof ConfigError) json({ valid: false, faults: error.faults });
    throw error;
  }
}

/** `video-explainer validate CONFIG` */
export const validateCommand = (): Command =>
  new Command("validate")
    .description("check a configuration and print it with its defaults")
    .argument("<config>", "YAML configuration")
    .option("--json", "print a JSON object: the configuration, or its faults")
    .option("--quiet", "print nothing when it is valid")
    .option("--no-files", "do not look at the model and the films that it names")
    .addHelpText(
      "after",
      `
Exit code 2 when there is a fault; each is printed with its line and column. Passwords are not printed.

Example:
  $ video-explainer validate demo.yaml
  demo.yaml:12:5: sources[0].polcy is not a known key; did you mean "policy"?`,
    )
    .action(validate);
