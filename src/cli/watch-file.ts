import { stat } from "node:fs/promises";

const EVERY_MS = 500;

/**
 * Calls `onChange` when what a path leads to has become another file or has been written, once it is the same at two looks: not in the midst
 * of writing. Links are followed, as that of a folder which Kubernetes turns to the next version of a ConfigMap. While there is none
 * nothing is called; neither of what is no file, such as a pipe. Returns what ends it.
 */
export function watchFile(path: string, onChange: () => void, everyMs = EVERY_MS): () => void {
  let told: string | undefined;
  let last: string | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    const now = await revisionOf(path);
    if (now !== undefined && now === last) {
      if (told !== undefined && now !== told && !isOver) onChange();
      told = now;
    }
    last = now;
    if (!isOver) setTimeout(look, everyMs).unref();
  };
  void revisionOf(path).then((first) => {
    told = first;
    void look();
  });
  return () => {
    isOver = true;
  };
}

/** Polled, since notices of a file system are not given for all mounts that containers have. */
async function revisionOf(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    if (!found.isFile()) return undefined;
    const { dev, ino, size, mtimeNs, ctimeNs } = found;
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return undefined;
  }
}
