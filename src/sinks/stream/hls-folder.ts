import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { VideoExplainerError } from "../../errors.js";
import { PLAYLIST, SEGMENT } from "../../ffmpeg/stream-encoder.js";
import { systemAdvice, systemCode, systemReason } from "../../system-error.js";
import { type Modes, makeFolder } from "../private-files.js";

/**
 * Makes the folder of a stream, and takes away what earlier runs left in it: all of theirs, or with `goesOn` what the
 * playlist does not name, as when a process was killed. Throws one sentence when it cannot be written.
 */
export async function prepareFolder(folder: string, modes: Modes, goesOn: boolean): Promise<void> {
  try {
    await makeFolder(folder, modes);
    const playlist = join(folder, PLAYLIST);
    const listed = goesOn ? await textOf(playlist) : "";
    const names = new Set(listed.split(/\r?\n/));
    const old = (await readdir(folder)).filter((name) => SEGMENT.test(name) && !names.has(name));
    if (!goesOn) old.push(PLAYLIST);
    await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
  } catch (cause) {
    const text = `its folder cannot be written: ${systemReason(cause)}; ${systemAdvice(cause)} or choose another url`;
    throw new VideoExplainerError("stream", text, { cause });
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return "";
  }
}
