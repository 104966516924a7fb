import { ModelError } from "../../errors.js";
import { listed } from "../../truncate.js";
import { ElementType, typeName, type ValueInfo } from "../proto/onnx.js";
import type { InputHints } from "./hints.js";
import { refuseAxes, refuseInput } from "./limits.js";

const refuse = (reason: string): never => {
  throw new ModelError("model-input", reason);
};

/** Types that a picture may come in. */
const NUMBERS = new Set<number>([
  ...[ElementType.float, ElementType.float16, ElementType.bfloat16, ElementType.double],
  ...[ElementType.uint8, ElementType.int8, ElementType.uint16, ElementType.int16, ElementType.int32, ElementType.int64],
]);

/** The one input that is no weight. */
export function pictureInput(inputs: readonly ValueInfo[]): ValueInfo {
  const [input, ...more] = inputs;
  if (input && more.length === 0) return input;
  const names = listed(inputs.map((i) => i.name)) || "none";
  // Weights that are neither in the file nor beside it are inputs to the format.
  const hint = inputs.length > 8 ? "; if these are its weights, export it with them (export_params=True)" : "";
  throw new ModelError(
    "model-inputs",
    `the model has ${inputs.length} inputs (${names}), and a classifier has one, the picture${hint}`,
  );
}

/**
 * Dims of the input without the batch; what the file leaves open comes from the card (`given`) or the first layer.
 * @throws ModelError where it is not of numbers, or a dim stays open
 */
export function inputDims(input: ValueInfo, given: InputHints, firstLayer: () => InputHints): number[] {
  const tensor = input.type?.tensorType;
  const type = tensor?.elemType;
  if (type !== undefined && type !== 0 && !NUMBERS.has(type))
    refuse(
      `the model's input "${input.name}" is ${typeName(type)}, and numbers are needed; export it with a float32 input`,
    );
  if (input.type && !tensor) refuse(`the model's input "${input.name}" is not a tensor; give a classifier of pictures`);
  const stated = (tensor?.shape?.dim ?? []).slice(1).map((d) => d.dimValue ?? 0);
  refuseAxes(input.name, stated);
  const dims = stated.length > 0 ? stated : [0, 0, 0];
  if (dims.some((d) => d <= 0)) fill(dims, given, dims.length === 3 ? firstLayer() : {});
  const asked = (["channels", "height", "width"] as const).filter((key) => given[key] === undefined);
  if (dims.some((d) => d <= 0)) refuse(openDims(input.name, dims, asked));
  refuseInput(input.name, dims);
  return dims;
}

/** Puts what is known into the dims that are open. */
function fill(dims: number[], given: InputHints, firstLayer: InputHints): void {
  const { height, width } = given;
  const channels = given.channels ?? firstLayer.channels;
  const layout = given.layout ?? firstLayer.layout ?? layoutOf(dims) ?? given.otherwise ?? "NCHW";
  const known =
    dims.length === 3
      ? layout === "NCHW"
        ? [channels, height, width]
        : [height, width, channels]
      : dims.length === 2
        ? [height, width]
        : dims.length === 1
          ? [height && width && height * width * (channels ?? 1)]
          : [];
  dims.forEach((d, k) => {
    if (d <= 0) dims[k] = known[k] ?? 0;
  });
}

/** Channels are few: where that tells their place, the layout. */
export function layoutOf(dims: readonly number[]): "NCHW" | "NHWC" | undefined {
  const few = (d: number): boolean => d >= 1 && d <= 4;
  const [first, last] = [few(dims[0] ?? 0), few(dims[2] ?? 0)];
  return first === last ? undefined : first ? "NCHW" : "NHWC";
}

/** Only what the card does not say already is asked for. */
function openDims(name: string, dims: readonly number[], asked: readonly ("channels" | "height" | "width")[]): string {
  const shown = `[N, ${dims.map((d) => d || "?").join(", ")}]`;
  const sizes = asked.filter((key) => key !== "channels").reverse();
  const open = dims.filter((d) => d <= 0).length;
  // Where the card gives both, what is left open is the third.
  const wanted = sizes.length === 0 || open === dims.length || open > 2 ? [...sizes, ...asked.slice(0, 1)] : sizes;
  if (dims.length !== 3 && sizes.length === 0)
    return `the model's input "${name}" has dims ${shown}, which are not those of a picture, [N, C, H, W] or [N, H, W, C]; export it with one of these`;
  const keys = [...new Set(wanted)].join(" and ").replace("channels", "channels (3 for colour, 1 for grey)");
  return `the model's input "${name}" leaves its size open (${shown}); give input ${keys} in its card model.yaml`;
}
