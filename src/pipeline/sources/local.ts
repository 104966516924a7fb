import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../errors.js";
import { redactWhole } from "../../redact.js";
import { systemAdvice, systemCode, systemReason } from "../../system-error.js";
import { truncateMiddle } from "../../truncate.js";

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
    const text = `${shownPath(redactWhole(url))} is no address of a file on this machine; write file:///path, or the path alone`;
    throw new InputError("address", text, { cause });
  }
}

/** What is at a path, or why that cannot be found out. */
export type Found = { stats: Stats } | { stats: undefined; missing: boolean; reason: string };

/** What is at a path, without opening it. */
export function statOrReason(path: string): Found {
  try {
    return { stats: statSync(path) };
  } catch (error) {
    const reason = isDenied(error)
      ? "a folder on the way to it may not be entered; change its mode or owner"
      : `${systemReason(error)}; ${systemAdvice(error)}`;
    return { stats: undefined, missing: ["ENOENT", "ENOTDIR"].includes(systemCode(error)), reason };
  }
}

/** Undefined where there is nothing, or nothing that may be looked at. */
export const statOf = (path: string): Stats | undefined => statOrReason(path).stats;

/** Whether the system does not allow what was tried. */
export const isDenied = (error: unknown): boolean => ["EACCES", "EPERM"].includes(systemCode(error));

/** Why a folder or glob gives no list, as what follows its path in a sentence. */
export function whyUnlisted(error: unknown): string {
  if (error instanceof InputError) return error.reason;
  if (isDenied(error)) return "may not be listed; change its mode or owner";
  return `cannot be listed (${systemReason(error)}); ${systemAdvice(error)}`;
}

const MAX_SHOWN_CHARACTERS = 300;

/** An address or path as it stands in a sentence. */
export const shownPath = (text: string): string => truncateMiddle(text.replace(/\p{Cc}+/gu, " "), MAX_SHOWN_CHARACTERS);
