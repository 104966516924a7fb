import { basename, dirname, resolve } from "node:path";
import { type CsvRow, readCsv } from "../csv.js";
import { InputError, inContext } from "../errors.js";
import type { ModelView } from "../fit.js";
import { type FrameLayout, type FrameTruth, frameBytes, modelRows } from "../frame.js";
import { insideOf } from "../pictures/mask.js";
import { FILE_LIMITS, pictureReader, pictureTarget } from "../pictures/reader.js";
import { readBounded } from "../read-file.js";
import type { Stills } from "./pictures.js";
import type { SourceSpec } from "./source-spec.js";
import { shownPath } from "./sources/local.js";

/** What is known of the picture at a time of the stream's own clock, in seconds; undefined where nothing is. */
export type Truth = (pts: number) => FrameTruth | undefined;

const MAX_FILE_BYTES = 2 ** 24;
/** Of the masks of one source, a byte a pixel of the model's input. */
const MAX_MASK_BYTES = 2 ** 26;
/** Times are rounded to what the container counts in. */
const TOLERANCE_SECONDS = 1e-3;
/** By which the proportions of a mask may differ from the source's. */
const MAX_OBLONG = 1.02;

/** A line of the file; without a label nothing is known. */
interface Entry {
  where: string;
  key: string;
  label: string;
  mask: string | undefined;
}

/** What is decoded. */
export interface Planned {
  layout: FrameLayout;
  /** It ends by itself. */
  finite: boolean;
  stills?: Pick<Stills, "paths" | "seconds">;
  /** Seconds after which a film begins anew while its clock goes on. */
  period?: number;
}

/**
 * Reads what a source's `truth` says of its pictures: `NAME,LABEL[,MASK]` of pictures; of a film `SECONDS,LABEL[,MASK]`, which holds from
 * then on. Masks are pictures of the frame's proportions, white inside. All of them are read now.
 * @throws InputError that names the line
 */
export async function readTruth(spec: SourceSpec, plan: Planned, view: ModelView): Promise<Truth> {
  const { config, baseDir } = spec;
  const file = resolve(baseDir, config.truth!);
  const shown = shownPath(file);
  try {
    if (!plan.finite) throw wrong("truth has no meaning for a live source; leave it out");
    const rows = [...readCsv(new TextDecoder().decode(readBounded(file, MAX_FILE_BYTES, "a file of truth")))];
    const names = plan.stills && new Set(plan.stills.paths.map((path) => basename(path)));
    const isKey = names ? (text: string) => names.has(text) : isSeconds;
    const entries = entriesOf(rows, shown, dirname(file), isKey);
    const find = plan.stills
      ? byPicture(entries, plan.stills)
      : byTime(entries, plan.period ?? Number.POSITIVE_INFINITY);
    const masks = await readMasks(entries, { ...config, layout: plan.layout, view });
    const known = new Map(entries.map((entry) => [entry, truthOf(entry, masks)]));
    return (pts) => {
      const entry = find(pts);
      return entry && known.get(entry);
    };
  } catch (error) {
    throw error instanceof InputError ? inContext(error, { source: config.name }) : error;
  }
}

const isSeconds = (text: string): boolean => /^\d+(\.\d+)?$/.test(text);

const wrong = (text: string): InputError => new InputError("truth", text);

function entriesOf(
  rows: readonly CsvRow[],
  file: string,
  folder: string,
  isKey: (text: string) => boolean,
): readonly Entry[] {
  const [head] = rows;
  // A head names columns: nothing in it is a time or a picture.
  const hasHead =
    head !== undefined && !isKey(head.cells[0]!) && /^(?:seconds|time|name|image|picture|file)$/i.test(head.cells[0]!);
  const entries = rows.slice(hasHead ? 1 : 0).map(({ line, cells: [key = "", label = "", mask = ""] }) => {
    const where = `${file} line ${line}`;
    if (!isKey(key))
      throw wrong(
        `${where} begins with "${key}"; write the seconds of a film from which on a label holds, or the name of a picture of the folder`,
      );
    if (mask !== "" && label === "") throw wrong(`${where} has a mask and no label; write what the mask shows`);
    return { where, key, label, mask: mask === "" ? undefined : resolve(folder, mask) };
  });
  if (entries.length === 0) throw wrong(`${file} holds no line; write SECONDS,LABEL or NAME,LABEL`);
  return entries;
}

/** Of pictures that are shown one after the other. */
function byPicture(entries: readonly Entry[], { paths, seconds }: NonNullable<Planned["stills"]>) {
  const named = new Map<string, Entry>();
  for (const entry of entries) {
    if (named.has(entry.key)) throw wrong(`${entry.where} names ${entry.key} a second time; leave one of them out`);
    named.set(entry.key, entry);
  }
  const inOrder = paths.map((path) => named.get(basename(path)));
  return (pts: number): Entry | undefined => inOrder[Math.round(pts / seconds) % paths.length];
}

/** Of a film that begins anew after so many seconds while its clock goes on; Infinity: not at all. */
function byTime(entries: readonly Entry[], period: number) {
  const starts = entries.map(({ key }) => Number(key));
  const unordered = starts.findIndex((at, i) => i > 0 && at <= starts[i - 1]!);
  if (unordered > 0)
    throw wrong(`${entries[unordered]!.where} is not later than the line before; put the lines in the order of time`);
  return (pts: number): Entry | undefined => {
    const at = (pts + TOLERANCE_SECONDS) % period;
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    return entries[low - 1];
  };
}

function truthOf({ label, mask }: Entry, masks: ReadonlyMap<string, FrameTruth["mask"]>): FrameTruth | undefined {
  if (label === "") return undefined;
  const found = mask === undefined ? undefined : masks.get(mask);
  return { label, ...(found && { mask: found }) };
}

type MaskView = Pick<SourceSpec["config"], "region" | "rotate"> & { layout: FrameLayout; view: ModelView };

/** By their paths, one after the other in the same memory. */
async function readMasks(entries: readonly Entry[], { layout, view, region, rotate }: MaskView) {
  const { inputWidth, inputHeight, width, height } = layout;
  const wanted = new Map(entries.flatMap(({ mask, where }) => (mask === undefined ? [] : [[mask, where] as const])));
  if (wanted.size * inputWidth * inputHeight > MAX_MASK_BYTES)
    throw wrong(
      `truth names ${wanted.size} masks, and of ${inputWidth}x${inputHeight} pixels no more than ${Math.floor(MAX_MASK_BYTES / (inputWidth * inputHeight))} are kept; name fewer`,
    );
  const memory = new SharedArrayBuffer(wanted.size > 0 ? frameBytes(layout) : 0);
  const target = pictureTarget(layout, view, region, rotate);
  const masks = new Map<string, FrameTruth["mask"]>();
  for (const [path, where] of wanted) {
    const shown = shownPath(path);
    const { found, grant } = await pictureReader()
      .read(path, shown, FILE_LIMITS, () => ({ ...target, behind: "black", memory: () => memory }))
      .catch((error: unknown) => {
        throw error instanceof InputError ? inContext(error, { subject: `${where}: the mask ${shown}` }) : error;
      });
    grant.release();
    const [across, down] = rotate % 180 === 0 ? [found.width, found.height] : [found.height, found.width];
    const oblong = (across * height) / (down * width);
    if (Math.max(oblong, 1 / oblong) > MAX_OBLONG)
      throw wrong(
        `${where}: the mask ${shown} has ${found.width}x${found.height} pixels, other proportions than the source's ${width}x${height}; give a mask of its size`,
      );
    const inside = insideOf(modelInput(memory, layout), target.target, inputWidth);
    const area = inside && inside.reduce((sum, v) => sum + v, 0) / (target.target.width * target.target.height);
    masks.set(path, inside && { inside, area: area! });
  }
  return masks;
}

/** The model's input picture of a frame, without gaps between its rows. */
function modelInput(memory: SharedArrayBuffer, layout: FrameLayout): Uint8Array {
  const { offset, stride } = modelRows(layout);
  const row = 3 * layout.inputWidth;
  const pixels = new Uint8Array(row * layout.inputHeight);
  for (let y = 0; y < layout.inputHeight; y++) pixels.set(new Uint8Array(memory, offset + y * stride, row), y * row);
  return pixels;
}
