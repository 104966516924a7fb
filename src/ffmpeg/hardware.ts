import { type ErrorContext, InputError, reasonOf } from "../errors.js";
import { truncate } from "../truncate.js";
import { runChild } from "./children.js";
import { parseLogLine } from "./log-lines.js";
import { ShortageError } from "./shortage.js";
import { askFfmpeg, ffmpegPath, oncePerFfmpeg } from "./version.js";

/**
 * What `auto` tries, in this order. Not among them are opencl, which decodes nothing, and vulkan, whose devices open
 * where nothing can decode.
 */
const CANDIDATES = ["cuda", "vaapi", "qsv", "videotoolbox", "d3d11va", "dxva2", "vdpau", "drm"];
const TRIAL_MS = 5000;
const MAX_REASON_CHARACTERS = 100;

/** What `auto` came to. */
export interface AutoHardware {
  /** Undefined: software. */
  name?: string;
  /** The choice, and why nothing before it was taken, as one sentence. */
  note: string;
}

/** Reads the answer of `ffmpeg -hwaccels`. */
export function parseHwaccels(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.slice(lines.indexOf("Hardware acceleration methods:") + 1).filter((line) => /^[a-z0-9_]+$/.test(line));
}

/** Hardware that ffmpeg was built for, whether it is there or not. */
const builtIn = oncePerFfmpeg(async (path) => parseHwaccels(await askFfmpeg(["-hide_banner", "-hwaccels"], path)));

/** Throws an `InputError` when the installed ffmpeg does not know this hardware. `about`: the source. */
export async function checkHardware(hardware: string, about: ErrorContext, path = ffmpegPath()): Promise<void> {
  if (hardware === "none" || hardware === "auto") return;
  const known = await builtIn(path);
  if (known.includes(hardware)) return;
  const choice = known.length > 0 ? `it knows ${known.join(", ")}` : "it knows none";
  throw new InputError(
    "hardware",
    `is to be decoded on ${hardware}, which this ffmpeg was not built for; ${choice}; or leave it to auto`,
    about,
  );
}

/** The first hardware whose device opens, tried once for each ffmpeg. Rejects with a `ShortageError` alone, and is tried anew then. */
export const autoHardware = oncePerFfmpeg(async (path): Promise<AutoHardware> => {
  const known = await builtIn(path).catch((error: unknown): string[] => {
    if (error instanceof ShortageError) throw error;
    return [];
  });
  const failed: string[] = [];
  for (const name of CANDIDATES.filter((candidate) => known.includes(candidate))) {
    const reason = await trial(path, name);
    const before = failed.length > 0 ? ` (${failed.join("; ")})` : "";
    if (reason === null) return { name, note: `hardware auto: decoded on ${name}${before}` };
    failed.push(`${name}: ${reason}`);
  }
  const why = failed.length > 0 ? failed.join("; ") : "this ffmpeg was built for none";
  return { note: `hardware auto: decoded in software, no hardware works (${why})` };
});

/** Opens the device and nothing else. Null when it works, else why not. */
async function trial(path: string, name: string): Promise<string | null> {
  const picture = ["-f", "lavfi", "-i", "nullsrc=size=64x64", "-frames:v", "1", "-f", "null", "-"];
  const options = ["-hide_banner", "-nostdin", "-v", "level+error", "-init_hw_device", name];
  try {
    const { code, timedOut, stderr } = await runChild({ program: path, args: [...options, ...picture] }, TRIAL_MS);
    if (timedOut) return `no answer within ${TRIAL_MS / 1000} s`;
    return code === 0 ? null : whyNot(stderr);
  } catch (error) {
    if (error instanceof ShortageError) throw error;
    return reasonOf(error);
  }
}

/** Why a device does not open: the last of ffmpeg's words that say more than that an option could not be set. */
export function whyNot(stderr: string): string {
  const lines = stderr.split(/\r?\n/).flatMap((line) => {
    const text = parseLogLine(line)?.text.replace(/^(?:\[[^\]]+\] )+/, "");
    return text ? [text.replace(/[\s.]+$/, "")] : [];
  });
  const informative = lines.filter(
    (text) => !/^(?:Failed to set value|Error parsing|Device creation failed)/.test(text),
  );
  const last = informative.at(-1) ?? lines.at(-1)?.replace(/^.*: /, "") ?? "ffmpeg did not say why";
  return truncate(last, MAX_REASON_CHARACTERS);
}

/** Options before `-i`. Pictures come back to memory by themselves, but for qsv, which wants to be told their format. */
export const hardwareOptions = (name: string | undefined): string[] => [
  ...(name ? ["-hwaccel", name] : []),
  ...(name === "qsv" ? ["-hwaccel_output_format", "nv12"] : []),
];
