interface Wording {
  /** Said of the path itself, as its predicate. */
  is?: string;
  /** As a clause of its own; by default `it` and the predicate. */
  why?: string;
  todo: string;
}

/** What the system says of a file, by its error codes. */
const FILES: Readonly<Record<string, Wording>> = {
  ENOENT: { is: "does not exist", todo: "correct the path" },
  ENOTDIR: {
    is: "does not exist, since a part of its path is not a folder",
    why: "a part of its path is not a folder",
    todo: "correct the path",
  },
  EISDIR: { is: "is a folder", todo: "give the file in it" },
  EACCES: { is: "may not be used by this user", why: "this user may not use it", todo: "change its mode or owner" },
  EPERM: { is: "may not be used by this user", why: "this user may not use it", todo: "change its mode or owner" },
  ELOOP: { is: "is a symbolic link that leads back to itself", todo: "give the file itself" },
  ENAMETOOLONG: { is: "has too long a path", why: "its path is too long", todo: "give a shorter one" },
  EEXIST: { why: "something of that name is in the way", todo: "remove it" },
  EROFS: { why: "the file system is read-only", todo: "make it writable" },
  ENOSPC: { why: "the disk is full", todo: "make room there" },
  EDQUOT: { why: "the disk quota is used up", todo: "make room there" },
};

/** The system's error code, such as `ENOENT`; empty where there is none. */
export const systemCode = (error: unknown): string => String((error as NodeJS.ErrnoException | null)?.code ?? "");

const wordingOf = (error: unknown): Wording | undefined => {
  const code = systemCode(error);
  return Object.hasOwn(FILES, code) ? FILES[code] : undefined;
};

/** Why a file cannot be read or written, as a clause: `the disk is full`. */
export function systemReason(error: unknown): string {
  const { is, why } = wordingOf(error) ?? {};
  return why ?? (is ? `it ${is}` : systemCode(error) || String(error));
}

/** The same after the path as its subject: `is a folder`. */
export const systemPredicate = (error: unknown): string =>
  wordingOf(error)?.is ?? `cannot be used (${systemReason(error)})`;

/** What to do about it. */
export const systemAdvice = (error: unknown): string => wordingOf(error)?.todo ?? "check it";
