import { InputError, VideoExplainerError } from "../errors.js";
import type { VideoSource } from "../pipeline/index.js";

/** Why a source's end is no good one: it failed, or ffmpeg complained of a film that is damaged or cut off. */
export function badEnd(source: Pick<VideoSource, "name" | "status">, removed: boolean): Error | undefined {
  const { name } = source;
  const { state, reason } = source.status();
  if (state === "failed") return new VideoExplainerError("source-failed", `source ${name} failed: ${reason}`);
  if (state !== "ended" || reason === null || removed) return undefined;
  return new InputError("source-damaged", `source ${name} is damaged or cut off: ${reason}`);
}

export const stopping = (what: string): Error =>
  new VideoExplainerError("stopping", `the station is stopping: ${what}; ask the next one`);

export function nameTaken(name: string, how: "there" | "being removed"): Error {
  const text =
    how === "there"
      ? `there is a source ${name} already; give it another name, or remove that first`
      : `source ${name} is still being removed; add it when that is done`;
  return new VideoExplainerError("name-taken", text);
}

export function unknownSource(name: string, known: readonly string[]): Error {
  const some = known.slice(0, 8).join(", ") + (known.length > 8 ? " …" : "");
  return new VideoExplainerError("unknown-source", `there is no source ${name}; there are ${some || "none"}`);
}
