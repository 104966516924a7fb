import { ModelError } from "../../errors.js";
import { listed } from "../../truncate.js";
import { layoutOf } from "../onnx/input.js";
import type { Preprocessing } from "../preprocessing.js";
import { COMMAND_LINE, type InputFacts } from "./facts.js";

/** How a model's input is a picture, or why it is none. */
export interface Picture {
  width: number;
  height: number;
  channels: number;
  layout: "NCHW" | "NHWC";
  preprocessing: Preprocessing | undefined;
  /** Why pictures cannot become its input, as a sentence goes on after the file's name. */
  unfit?: string;
}

type Input = InputFacts;

/** Mean and std as the user writes them. */
export interface WrittenScaling {
  mean?: readonly number[];
  std?: readonly number[];
  units?: "0..255" | "0..1";
}

const refuse = (how: string): never => {
  throw new ModelError("model-card", how);
};

/**
 * Brings together what the input's dims (batch left out) and the card say.
 * @param where the card, as messages name it
 * @param origins what else gave a value
 * @throws ModelError where they contradict each other, or a size is missing
 */
export function pictureOf(
  dims: readonly number[],
  input: Input,
  where: string,
  origins: Partial<Record<keyof Input, string>> = {},
): Picture {
  const layout = input.layout ?? layoutOf(dims) ?? "NCHW";
  const [channels, height, width] = sizes(dims, layout, input);
  if (width === undefined || height === undefined)
    throw new ModelError(
      "model-input",
      dims.length === 1
        ? `the model's input has dims [N, ${dims.join(", ")}], ${dims[0]} numbers in a row; give input width and height in ${where}`
        : `the model's input has dims [N, ${dims.join(", ")}], which are not those of a picture, [N, C, H, W] or [N, H, W, C]; export it with one of these`,
    );
  const { width: w, height: h, channels: c } = input;
  if ((w !== undefined && w !== width) || (h !== undefined && h !== height))
    refuse(`${where} says the input is ${w ?? width}x${h ?? height} pixels, but the model takes ${width}x${height}`);
  if (c !== undefined && c !== channels && dims.length !== 1)
    refuse(`${where} says the input has ${c} channels, but the model takes ${channels}`);
  const { mean, std } = input;
  const scaled = mean && std && { mean, std };
  for (const [name, values] of [
    ["mean", input.mean],
    ["std", input.std],
  ] as const)
    if (values && values.length !== 1 && values.length !== channels)
      refuse(
        `${origins[name] ?? where}: input.${name} has ${values.length} values, but the model takes ${channels} channel(s)`,
      );
  const picture = { width, height, channels, layout };
  const unfit = whyUnfit(dims, picture) ?? (scaled ? undefined : UNKNOWN);
  if (unfit !== undefined || !scaled) return { ...picture, preprocessing: undefined, unfit };
  const spread = (values: readonly number[]) => Array.from({ length: channels }, (_, k) => values[k % values.length]!);
  return {
    ...picture,
    preprocessing: {
      width,
      height,
      channels: channels as 1 | 3,
      channelOrder: input.channelOrder ?? "RGB",
      layout,
      mean: spread(scaled.mean),
      std: spread(scaled.std),
    },
  };
}

const UNKNOWN =
  "how pictures become the model's input is not known; write a card model.yaml beside it with input.mean and input.std (in units of 0..255 pixels, e.g. mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] for torchvision models)";

/** The size of an input of these dims (batch left out), as far as it is known. */
export function sizeOf(dims: readonly number[], input: Input): { width: number; height: number } | undefined {
  const [, height, width] = sizes(dims, input.layout ?? layoutOf(dims) ?? "NCHW", input);
  return height && width ? { width, height } : undefined;
}

/** Channels, height and width as far as they are known. */
function sizes(
  dims: readonly number[],
  layout: "NCHW" | "NHWC",
  { width, height }: Input,
): [number, number | undefined, number | undefined] {
  const [a, b, c] = dims as [number, number, number];
  if (dims.length === 3) return layout === "NCHW" ? [a, b, c] : [c, a, b];
  if (dims.length === 2) return [1, a, b];
  if (dims.length === 1) return [width && height ? a / (width * height) : 1, height, width];
  return [1, undefined, undefined];
}

function whyUnfit(
  dims: readonly number[],
  { width, height, channels }: Omit<Picture, "preprocessing">,
): string | undefined {
  const tensors = "give its input as a tensor (attribute --input FILE.npy)";
  if (dims.length === 1 && channels !== 1)
    return `the model takes ${dims[0]} numbers in a row, and a grey picture of ${width}x${height} has ${width * height}; correct input width and height in its card, or ${tensors}`;
  if (channels !== 1 && channels !== 3)
    return `the model takes ${channels} channels, and pictures have 3 (colour) or 1 (grey); ${tensors}, or correct input.layout in its card where channels are last`;
  return undefined;
}

const rounded = (v: number): number => Number(v.toPrecision(6));
const shown = (values: readonly number[]): string =>
  `[${listed(
    values.map((v) => String(rounded(v))),
    4,
  )}]`;

/**
 * Mean and std in units of 0..255 pixels. Values in units of 0..1, as torchvision has them, are taken where the user says
 * so, and refused where not: the network would see hundreds in place of ones.
 */
export function inPixels({ mean, std, units }: WrittenScaling, where: string): Pick<InputFacts, "mean" | "std"> {
  const times = (values: readonly number[]): number[] => values.map((v) => rounded(v * 255));
  if (units === "0..1") return { mean: mean && times(mean), std: std && times(std) };
  if (units === undefined && looksLikeOnes(mean, std)) {
    const said = [mean && `mean ${shown(mean)}`, std && `std ${shown(std)}`].filter(Boolean).join(" and ");
    const meant = [mean && `mean: ${shown(times(mean))}`, std && `std: ${shown(times(std))}`]
      .filter(Boolean)
      .join(", ");
    refuse(
      `${where}: input ${said} look like units of 0..1, and units of 0..255 pixels are meant; ${where === COMMAND_LINE ? "give --units 0..1" : 'write units: "0..1"'} beside them, or ${meant} (units: "0..255" takes them as they are)`,
    );
  }
  return { mean, std };
}

/** Whether values make no sense for pixels of 0..255: spread to over 255, or centred within the darkest level. */
export function looksLikeOnes(mean: readonly number[] | undefined, std: readonly number[] | undefined): boolean {
  if (std?.every((v) => v < 1)) return true;
  const centred = mean?.every((v) => Math.abs(v) <= 1) === true && mean.some((v) => v !== 0);
  return centred && (std === undefined || std.every((v) => v < 2));
}
