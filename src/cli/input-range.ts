import { Option } from "commander";
import { InputError } from "../errors.js";
import { R_LRP_NAMES } from "../explain/method-names.js";
import type { LoadedModel } from "../explain/model/load.js";
import { completed, type MethodOptions } from "../explain/options.js";
import { inputValues } from "../explain/preprocessing.js";
import type { InputRange } from "../explain/programs/tensor.js";
import { numbers } from "./card-options.js";

export const lowOption = (): Option =>
  new Option(
    "--low <values>",
    "the network's input value for pixel 0, one or one a channel (default: from the card)",
  ).argParser(numbers);
export const highOption = (): Option =>
  new Option("--high <values>", "the network's input value for pixel 255 (default: from the card)").argParser(numbers);

export interface RangeOptions {
  method: MethodOptions["method"];
  inputRule?: MethodOptions["inputRule"];
  low?: number[];
  high?: number[];
}

/** What measures a pixel against the darkest and brightest it could be, if anything does. */
function boundedBy(options: RangeOptions): string | undefined {
  const { method, inputRule } = completed({ ...options, target: "top" });
  if (method === "epsilon-gamma-box") return `the method "${method}"`;
  const shares = (R_LRP_NAMES as readonly string[]).includes(method);
  return shares && (inputRule === "bounded" || inputRule === "box") ? `the input rule "${inputRule}"` : undefined;
}

/** Pixel 0 and 255 as the model sees them: given, or from the card. */
export function rangeOf(options: RangeOptions, model: LoadedModel): InputRange {
  const p = model.preprocessing;
  const shape = model.network.shapes.get(model.network.input)!;
  const channels = shape[model.channelAxis] ?? 1;
  const fromCard = (pixel: number): number[] | undefined => p && inputValues(p, pixel);
  const low = options.low ?? fromCard(0);
  const high = options.high ?? fromCard(255);
  const wanting = boundedBy(options);
  if (wanting && (!low || !high))
    throw new InputError(
      "range",
      `${wanting} needs the model's input values for pixel 0 and 255; give --low and --high, or input.mean and input.std in a card model.yaml beside ${model.file}`,
    );
  for (const [name, values] of [
    ["--low", low],
    ["--high", high],
  ] as const)
    if (values && values.length !== 1 && values.length !== channels)
      throw new InputError(
        "range",
        `${name} has ${values.length} values, but the model's input has ${channels} channel(s); give one value, or one a channel`,
      );
  return { low: low ?? [0], high: high ?? [0], channelAxis: model.channelAxis };
}
