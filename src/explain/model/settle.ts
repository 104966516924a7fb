import type { InputFacts, Size } from "./facts.js";

/** What one place says of a model's input; values of another unit are in pixels of 0..255 already. */
export interface Said {
  from: string;
  input: InputFacts;
  /** Whether the user wrote it, on the command line or in the card. */
  isUsers?: boolean;
}

type Key = keyof InputFacts;

/** What was taken of each key, and from where. */
export interface Settled {
  input: InputFacts;
  origins: Partial<Record<Key, string>>;
  /** Where places disagree, a sentence each. */
  notes: string[];
}

const KEYS: readonly Key[] = [
  ...([
    "width",
    "height",
    "channels",
    "mean",
    "std",
    "channelOrder",
    "layout",
    "fit",
    "interpolation",
    "antialias",
  ] as const),
  ...(["resize", "cropRounding", "fill"] as const),
];
/** Ways to compare how pictures are read; of the others a difference changes nothing that shows. */
const COMPARED: readonly Key[] = ["width", "height", "mean", "std", "channelOrder", "fit", "resize", "interpolation"];
/** What belongs to the fit that it was written for. */
const OF_FIT = new Set<Key>(["resize", "cropRounding", "fill"]);

/**
 * Takes each value from the first place that has it. What one place says of another fit or of another size than is taken
 * does not count.
 * @param said the place that wins first
 * @param model the size of the model's input, where it is known
 */
export function settle(said: readonly Said[], model: Size | undefined): Settled {
  const input: InputFacts = {};
  const origins: Settled["origins"] = {};
  const notes: string[] = [];
  const fitting = said.map((place) => {
    const { from, isUsers } = place;
    const { width, height } = place.input;
    if (isUsers || !model || !width || !height || (width === model.width && height === model.height)) return place;
    notes.push(`${from} is for ${width}x${height} pixels, and the model takes ${model.width}x${model.height}`);
    return { from, input: { ...place.input, width: undefined, height: undefined, resize: undefined } };
  });
  for (const key of KEYS) {
    const place = fitting.find((p) => p.input[key] !== undefined && (!OF_FIT.has(key) || isOfFit(p.input, input)));
    if (!place) continue;
    Object.assign(input, { [key]: place.input[key] });
    origins[key] = place.from;
  }
  return { input, origins, notes: [...notes, ...disagreements(fitting, { input, origins })] };
}

const isOfFit = (of: InputFacts, taken: InputFacts): boolean =>
  of.fit === undefined || taken.fit === undefined || of.fit === taken.fit;

/** One sentence for each place that says otherwise than another that wins. */
function disagreements(said: readonly Said[], { input, origins }: Pick<Settled, "input" | "origins">): string[] {
  return said.flatMap((place) => {
    const keys = COMPARED.filter(
      (key) =>
        origins[key] !== undefined &&
        origins[key] !== place.from &&
        !isSame(place.input[key], input[key]) &&
        (!OF_FIT.has(key) || isOfFit(place.input, input)),
    );
    const winners = [...new Set(keys.map((key) => origins[key]!))];
    return winners.map((winner) => {
      const own = keys.filter((key) => origins[key] === winner);
      const list = (values: InputFacts): string => own.map((key) => `${key} ${shown(values[key])}`).join(", ");
      return `${place.from} gives ${list(place.input)}, and ${winner} ${list(input)}: ${winner} is taken`;
    });
  });
}

/** Whether a place says nothing else; lists of one number stand for each channel. */
function isSame(value: unknown, taken: unknown): boolean {
  if (value === undefined) return true;
  if (isNumbers(value) && isNumbers(taken))
    return Array.from({ length: Math.max(value.length, taken.length) }, (_, c) => c).every((c) => {
      const [a, b] = [value[c % value.length]!, taken[c % taken.length]!];
      return Math.abs(a - b) <= 0.01 + 1e-3 * Math.abs(b);
    });
  return JSON.stringify(value) === JSON.stringify(taken);
}

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === "number");

/** A value as a card writes it, short. */
export function shown(value: unknown): string {
  if (isNumbers(value)) {
    const texts = value.map((v) => String(Number(v.toPrecision(6))));
    return new Set(texts).size === 1 ? texts[0]! : `[${texts.join(", ")}]`;
  }
  if (typeof value === "object" && value !== null && "width" in value && "height" in value)
    return `${value.width}x${value.height}`;
  return String(value);
}
