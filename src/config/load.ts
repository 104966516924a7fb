import { dirname, resolve } from "node:path";
import { ConfigError } from "../errors.js";
import { readBoundedStream, type Unreadable, UnreadableError } from "../read-file.js";
import { systemAdvice, systemCode, systemPredicate } from "../system-error.js";
import type { Environment } from "./environment.js";
import { type ParsedConfig, parseLocated } from "./parse.js";
import type { Role } from "./schema.js";

export { parseConfig } from "./parse.js";

/** A configuration of a thousand sources takes a fifth of this. */
const MAX_BYTES = 1024 * 1024;

/** A configuration with what is needed to use it. */
export interface LoadedConfig extends ParsedConfig {
  /** Absolute folder that relative paths of the configuration start from. */
  baseDir: string;
  /** The path as given, for messages. */
  fileName: string;
  text: string;
}

const unreadableConfig = (message: string): ConfigError => new ConfigError([{ path: "", message }]);

/** What a sentence says of a file that is not read. */
const UNREAD: Record<Unreadable, string> = {
  folder: "is a folder; give the YAML file in it",
  "no-file": "is no file; give the path of a YAML configuration",
  "too-large": "is larger than 1 MiB; a configuration is a short YAML file",
  silent: "is a pipe that nobody writes into; give the path of a YAML configuration",
};
const PATIENCE_MS = 10_000;

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readBoundedStream(path, MAX_BYTES, PATIENCE_MS);
  } catch (error) {
    if (error instanceof UnreadableError) throw unreadableConfig(`${path} ${UNREAD[error.why]}`);
    const ownAdvice = ["EACCES", "EPERM", "ELOOP"].includes(systemCode(error));
    const todo = ownAdvice ? systemAdvice(error) : "give the path of a YAML configuration";
    throw unreadableConfig(`${path || "an empty path"} ${systemPredicate(error)}; ${todo}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw unreadableConfig(`${path} is not UTF-8 text; save it as a YAML file in UTF-8`);
  }
}

/** Loads and checks a configuration file, whose role may be another. Throws ConfigError with every fault at once. */
export async function loadConfig(path: string, env: Environment = process.env, role?: Role): Promise<LoadedConfig> {
  const text = await readText(path);
  const parsed = parseLocated(text, path, env, role);
  return { ...parsed, baseDir: dirname(resolve(path)), fileName: path, text };
}
