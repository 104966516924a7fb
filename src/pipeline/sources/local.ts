import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../errors.js";
import { redactWhole } from "../../redact.js";
import { shortened } from "../../shortened.js";

/** Whether an address names something on this machine. */
export const isLocal = (url: string): boolean => /^file:/i.test(url) || !/^[a-z][a-z0-9+.-]*:\/\//i.test(url);

/**
 * Path of a film or folder as the configuration writes it, relative to `baseDir` or as a `file://` address. Throws an
 * `InputError` for an address of another machine, or one that is not well formed.
 */
export function localPath(url: string, baseDir: string): string {
  if (!/^file:\/\//i.test(url)) return resolve(baseDir, url.replace(/^file:/i, ""));
  try {
    return fileURLToPath(url);
  } catch (cause) {
    const text = `${brief(redactWhole(url))} is no address of a file on this machine; write file:///path, or the path alone`;
    throw new InputError("address", text, { cause });
  }
}

export const NOTHING = "nothing is there";
const NO_WAY = "a folder on the way to it may not be entered; change its mode or owner";
const REASONS: Record<string, string> = {
  ENOENT: NOTHING,
  ENOTDIR: NOTHING,
  EACCES: NO_WAY,
  EPERM: NO_WAY,
  ELOOP: "it is a symbolic link that leads back to itself; give the file itself",
  ENAMETOOLONG: "its path is too long; give a shorter one",
};

/** What is at a path, or why that cannot be told, as part of a sentence. */
export function lookAt(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return REASONS[code] ?? `the system refuses it (${code || "it is not a path"}); check it`;
  }
}

/** Undefined where there is nothing, or nothing that may be looked at. */
export function statOf(path: string): Stats | undefined {
  const found = lookAt(path);
  return typeof found === "string" ? undefined : found;
}

/** Whether the system does not allow what was tried. */
export const isDenied = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM";
};

/** Why a folder or glob gives no list, as what follows its path in a sentence. */
export function whyUnlisted(error: unknown): string {
  if (error instanceof InputError) return error.reason;
  if (isDenied(error)) return "may not be listed; change its mode or owner";
  return `cannot be listed (${(error as NodeJS.ErrnoException).code}); check it`;
}

const LONGEST_SHOWN = 300;

/** An address or path as it stands in a sentence. */
export const brief = (text: string): string => shortened(text.replace(/\p{Cc}+/gu, " "), LONGEST_SHOWN);
