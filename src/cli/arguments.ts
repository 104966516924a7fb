import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { MAX_THREADS } from "../config/schema.js";
import { DEVICES, type Device, PRECISIONS, type Precision } from "../explain/engine-names.js";
import { INPUT_RULE_NAMES, METHOD_NAMES, START_NAMES } from "../explain/method-names.js";
import type { TargetName } from "../explain/options.js";
import { DEFAULT_METHOD } from "../explain/options.js";
import type { Rect } from "../frame.js";

/** The model that comes with the package. */
const SHIPPED_MODEL = fileURLToPath(new URL("../../models/efficientnet-lite0", import.meta.url));
/** The film that comes with the package, and where on it the bottles stand. */
export const SHIPPED_FILM = fileURLToPath(new URL("../../assets/media/bottles.mp4", import.meta.url));
export const SHIPPED_FILM_REGION: Rect = { x: 370, y: 80, width: 270, height: 270 };

/** `--model`, by default the one that comes with the package. */
export const modelOption = (): Option =>
  new Option("--model <path>", "ONNX, TensorFlow Lite or model.json file, or folder with one and model.yaml").default(
    SHIPPED_MODEL,
    "the shipped EfficientNet-Lite0",
  );

/** `--model-output`, before what the model's card says. */
export const modelOutputOption = (): Option =>
  new Option("--model-output <name>", "the model's output that holds the scores, where it has several");

export const methodOption = (): Option =>
  new Option("--method <name>", "method").choices(METHOD_NAMES).default(DEFAULT_METHOD.method);
export const inputRuleOption = (): Option =>
  new Option("--input-rule <name>", "rule of the layer that reads the picture (default: the method's own)").choices(
    INPUT_RULE_NAMES,
  );
export const threadsOption = (): Option =>
  new Option("--threads <count>", "threads of the engine; 0: one per core")
    .argParser(wholeNumber(0, MAX_THREADS))
    .default(0);

/** What the options of `engineOptions` give. */
export interface EngineChoice {
  engine: string;
  device: Device | "auto";
  threads: number;
  precision?: Precision;
}

/** A command that loads a model: groups of options which several commands have in common. */
export class ModelCommand extends Command {
  /** Which of the model's outputs, and how it is explained. */
  methodOptions(): this {
    return this.addOption(modelOutputOption())
      .addOption(methodOption())
      .addOption(inputRuleOption())
      .addOption(
        new Option("--start <kind>", "where relevance starts (default: the method's own)").choices(START_NAMES),
      )
      .addOption(
        new Option("--target <class>", "top, or the label or index of the class to explain")
          .argParser(classTarget)
          .default("top"),
      );
  }

  /** What computes it. The device `auto` tries what is here, which takes its time once for each model. */
  engineOptions(device: "auto" | "cpu" = "auto"): this {
    return this.option("--engine <name>", "engine", "auto")
      .addOption(
        new Option(
          "--device <name>",
          "what the engine computes on; auto: the fastest that is here and agrees with the processor",
        )
          .choices(["auto", ...DEVICES])
          .default(device),
      )
      .addOption(threadsOption())
      .addOption(
        new Option(
          "--precision <name>",
          "of the numbers in between, where the engine has it (default: float32)",
        ).choices([...PRECISIONS]),
      );
  }
}

/** Reads a whole number of a range. */
export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`give a whole number ${range}`);
    return value;
  };

/** Reads a number above `min` (or equal, when `inclusive`), `max` at most. */
export const number =
  (min: number, max: number, inclusive: boolean) =>
  (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(inclusive ? value >= min : value > min) || !(value <= max))
      throw new InvalidArgumentError(`give a number ${inclusive ? "from" : "above"} ${min}, ${max} at most`);
    return value;
  };

/** `top`, or the label or index of a class. */
function classTarget(text: string): TargetName {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  if (/^-?[\d.]+$/.test(text) || text === "")
    throw new InvalidArgumentError('give "top", or the label or index of a class');
  return text;
}

/** `x,y,width,height` in frame pixels. */
export function region(text: string): Rect {
  const values = text.split(",").map((part) => part.trim());
  const [x, y, width, height] = values.map(Number);
  if (values.length !== 4 || !values.every((v) => /^\d{1,6}$/.test(v)) || width === 0 || height === 0)
    throw new InvalidArgumentError("give x,y,width,height in whole pixels of the frame, such as 370,80,270,270");
  return { x: x!, y: y!, width: width!, height: height! };
}
