import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { GivenCard } from "../explain/model/infer.js";
import { FITS, type Fit, INTERPOLATIONS, type Interpolation } from "../fit.js";

/** What is said of a model on the command line, before its card. */
export interface CardOptions {
  labels?: string;
  mean?: number[];
  std?: number[];
  units?: "0..255" | "0..1";
  size?: { width: number; height: number };
  channelOrder?: "RGB" | "BGR";
  layout?: "NCHW" | "NHWC";
  fit?: Fit;
  resize?: { width: number; height: number };
  interpolation?: Interpolation;
  /** False where `--no-antialias` is given. */
  antialias?: boolean;
}

/** Reads `v` or `v,v,v`. */
export const numbers = (text: string): number[] => {
  const values = text.split(",").map((v) => (v.trim() === "" ? Number.NaN : Number(v)));
  if (values.some((v) => !Number.isFinite(v)))
    throw new InvalidArgumentError("give one number, or one a channel separated by commas");
  return values;
};

const positive = (text: string): number[] => {
  const values = numbers(text);
  if (values.some((v) => v <= 0)) throw new InvalidArgumentError("give numbers above 0");
  return values;
};

/** Of a picture, in pixels, as in a card. */
const MAX_SIDE = 65_500;

/** Reads `224` or `320x240`. */
function size(text: string): { width: number; height: number } {
  const [width, height = width] = text.split("x").map((side) => (/^[1-9]\d{0,4}$/.test(side) ? Number(side) : 0));
  if (!width || !height || Math.max(width, height) > MAX_SIDE || text.split("x").length > 2)
    throw new InvalidArgumentError("give pixels, as 224, or WIDTHxHEIGHT, as 320x240");
  return { width, height };
}

/** Options for a first try without a card, the same for each command; a card then keeps them. */
export function addCardOptions(command: Command, { labels = true } = {}): void {
  if (labels) command.option("--labels <labels>", "file of the model's labels, or the labels, separated by commas");
  command
    .option("--mean <values>", "input = (v - mean) / std for pixels v of 0..255; one number, or one a channel", numbers)
    .option("--std <values>", "see --mean", positive)
    .addOption(
      new Option("--units <range>", "of a pixel that --mean and --std are meant for").choices(["0..255", "0..1"]),
    )
    .option("--size <pixels>", "of the model's input where its file leaves it open: 224, or WIDTHxHEIGHT", size)
    .addOption(new Option("--channel-order <order>", "of the model's input").choices(["RGB", "BGR"]))
    .addOption(new Option("--layout <axes>", "of the model's input").choices(["NCHW", "NHWC"]))
    .addOption(new Option("--fit <how>", "how pictures of other proportions become the input").choices(FITS))
    .option(
      "--resize <pixels>",
      "what pictures are resized to, as --fit says, before the input is cut from the middle",
      size,
    )
    .addOption(new Option("--interpolation <filter>", "of that resize").choices(INTERPOLATIONS))
    .option("--no-antialias", "pictures that shrink are sampled, not averaged, as Keras does");
}

/** What these options say; undefined where none is given. */
export function givenCard(options: CardOptions): GivenCard | undefined {
  const { labels, mean, std, units, size, channelOrder, layout, fit, resize, interpolation, antialias } = options;
  const input = {
    ...{ ...size, mean, std, units, channelOrder, layout, fit, resize, interpolation },
    antialias: antialias === false ? false : undefined,
  };
  const isList = labels?.includes(",") && !existsSync(labels);
  const file = labels === undefined ? undefined : resolve(labels);
  const given = { labels: isList ? labels!.split(",").map((label) => label.trim()) : file, input };
  return labels === undefined && Object.values(input).every((value) => value === undefined) ? undefined : given;
}
