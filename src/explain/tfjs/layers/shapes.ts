import type { Name } from "../../tensorflow/onnx-graph.js";
import { channelsLast, type LayerCall, type LayerTranslation, number, pair, text } from "./layer.js";

const passes: LayerTranslation = ({ inputs }) => inputs[0]!;

const Flatten: LayerTranslation = ({ graph, config, inputs, rank }) => {
  // Keras flattens a picture of channels first as if they were last.
  const x = channelsLast(config) || rank !== 4 ? inputs[0]! : graph.transpose(inputs[0]!, [0, 2, 3, 1]);
  return graph.one("Reshape", [x, graph.ints(0, -1)]);
};

const Reshape: LayerTranslation = ({ graph, config, inputs }) =>
  graph.one("Reshape", [inputs[0]!, graph.ints(0, ...(config.target_shape as number[]).map(Number))]);

const Permute: LayerTranslation = ({ graph, config, inputs }) =>
  graph.transpose(inputs[0]!, [0, ...(config.dims as number[]).map(Number)]);

/** `[[top, bottom], [left, right]]`, also as one number or one an axis. */
function margins({ config }: LayerCall, key: string, fallback: number): [[number, number], [number, number]] {
  const given = config[key];
  if (typeof given === "number")
    return [
      [given, given],
      [given, given],
    ];
  if (!Array.isArray(given))
    return [
      [fallback, fallback],
      [fallback, fallback],
    ];
  const [rows, columns] = given.map((side): [number, number] =>
    Array.isArray(side) ? [Number(side[0]), Number(side[1])] : [Number(side), Number(side)],
  ) as [[number, number], [number, number]];
  return [rows, columns];
}
const spatialAxes = (call: LayerCall): [number, number] => (channelsLast(call.config) ? [1, 2] : [2, 3]);

const ZeroPadding2D: LayerTranslation = (call) => {
  const { graph, inputs } = call;
  const [[top, bottom], [left, right]] = margins(call, "padding", 1);
  const pads = graph.ints(top, left, bottom, right);
  return graph.one("Pad", [inputs[0]!, pads, graph.number(0), graph.ints(...spatialAxes(call))]);
};

/** Negative padding cuts off. */
const Cropping2D: LayerTranslation = (call) => {
  const { graph, inputs } = call;
  const [[top, bottom], [left, right]] = margins(call, "cropping", 0);
  const pads = graph.ints(-top, -left, -bottom, -right);
  return graph.one("Pad", [inputs[0]!, pads, graph.number(0), graph.ints(...spatialAxes(call))]);
};

/** How Keras resizes: pixels are areas, their centres at halves. */
const RESIZES: Record<string, Record<string, string>> = {
  nearest: { mode: "nearest", coordinate_transformation_mode: "tf_half_pixel_for_nn", nearest_mode: "floor" },
  bilinear: { mode: "linear", coordinate_transformation_mode: "half_pixel" },
};
function resized({ graph, config, inputs }: LayerCall, by: { scales?: number[]; sizes?: number[] }): Name {
  const interpolation = text(config, "interpolation", "nearest");
  const attributes = Object.hasOwn(RESIZES, interpolation) ? RESIZES[interpolation] : undefined;
  if (!attributes) return graph.refuse(`its interpolation "${interpolation}" is not known; nearest and bilinear are`);
  return graph.channelsFirst(inputs[0]!, channelsLast(config), (x) =>
    graph.one("Resize", by.scales ? [x, "", graph.floats(by.scales)] : [x, "", "", graph.ints(...by.sizes!)], {
      ...attributes,
      axes: [2, 3],
    }),
  );
}

const UpSampling2D: LayerTranslation = (call) => resized(call, { scales: pair(call.config, "size", [2, 2]) });
const Resizing: LayerTranslation = (call) => {
  const { config, graph } = call;
  if (config.crop_to_aspect_ratio || config.pad_to_aspect_ratio) graph.refuse("it crops or pads to an aspect ratio");
  const sizes = [number(config, "height", 0), number(config, "width", 0)];
  return resized({ ...call, config: { interpolation: "bilinear", ...config } }, { sizes });
};

const Rescaling: LayerTranslation = ({ graph, config, inputs }) => {
  const numbers = (key: string, fallback: number): Name => {
    const value = config[key];
    return Array.isArray(value) ? graph.floats(value.map(Number)) : graph.number(number(config, key, fallback));
  };
  return graph.one("Add", [graph.one("Mul", [inputs[0]!, numbers("scale", 1)]), numbers("offset", 0)]);
};

/** Layers that move, copy or rescale elements, and those that do nothing once training is over. */
export const SHAPES: Record<string, LayerTranslation> = {
  ActivityRegularization: passes,
  AlphaDropout: passes,
  Cropping2D,
  Dropout: passes,
  Flatten,
  GaussianDropout: passes,
  GaussianNoise: passes,
  Permute,
  RandomBrightness: passes,
  RandomContrast: passes,
  RandomFlip: passes,
  RandomRotation: passes,
  RandomTranslation: passes,
  RandomZoom: passes,
  Rescaling,
  Reshape,
  Resizing,
  SpatialDropout2D: passes,
  UpSampling2D,
  ZeroPadding2D,
};
