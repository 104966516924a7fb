import { dirname, resolve } from "node:path";
import { readBoundedStream, type Unreadable, UnreadableError } from "../bounded-file.js";
import { ConfigError } from "../errors.js";
import type { Environment } from "./environment.js";
import { type ParsedConfig, parseLocated } from "./parse.js";

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

const refuse = (message: string): ConfigError => new ConfigError([{ path: "", message }]);

const REASONS: Record<string, string> = {
  ENOENT: "does not exist; give the path of a YAML configuration",
  ENOTDIR: "does not exist, since a part of its path is not a folder; give the path of a YAML configuration",
  EACCES: "cannot be read for want of permission; change its mode or owner",
  EPERM: "cannot be read for want of permission; change its mode or owner",
  EISDIR: "is a folder; give the YAML file in it",
  ELOOP: "is a symbolic link that leads back to itself; give the file itself",
  ENAMETOOLONG: "is too long for a path; give the path of a YAML configuration",
};

/** What a sentence says of a file that is not read. */
const UNREAD: Record<Unreadable, string> = {
  folder: REASONS.EISDIR!,
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
    if (error instanceof UnreadableError) throw refuse(`${path} ${UNREAD[error.why]}`);
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw refuse(
      `${path || "an empty path"} ${REASONS[code] ?? `cannot be read (${message}); give the path of a YAML file`}`,
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refuse(`${path} is not UTF-8 text; save it as a YAML file in UTF-8`);
  }
}

/** Loads and checks a configuration file. Throws ConfigError with every fault at once. */
export async function loadConfig(path: string, env: Environment = process.env): Promise<LoadedConfig> {
  const text = await readText(path);
  const parsed = parseLocated(text, path, env);
  return { ...parsed, baseDir: dirname(resolve(path)), fileName: path, text };
}
