import { padding } from "./convolutions.js";
import { channelsLast, flag, type LayerCall, type LayerTranslation, pair } from "./layer.js";

const pool =
  (op: string): LayerTranslation =>
  (call: LayerCall) => {
    const { graph, config, inputs } = call;
    const kernel = pair(config, "pool_size", [2, 2]);
    const attributes = { kernel_shape: kernel, strides: pair(config, "strides", kernel), auto_pad: padding(call) };
    return graph.channelsFirst(inputs[0]!, channelsLast(config), (x) => graph.one(op, [x], attributes));
  };

const global =
  (op: string): LayerTranslation =>
  ({ graph, config, inputs }: LayerCall) => {
    const axes = graph.ints(...(channelsLast(config) ? [1, 2] : [2, 3]));
    return graph.one(op, [inputs[0]!, axes], { keepdims: flag(config, "keepdims", false) ? 1 : 0 });
  };

export const POOLS: Record<string, LayerTranslation> = {
  MaxPooling2D: pool("MaxPool"),
  MaxPool2D: pool("MaxPool"),
  AveragePooling2D: pool("AveragePool"),
  AvgPool2D: pool("AveragePool"),
  GlobalAveragePooling2D: global("ReduceMean"),
  GlobalAvgPool2D: global("ReduceMean"),
  GlobalMaxPooling2D: global("ReduceMax"),
  GlobalMaxPool2D: global("ReduceMax"),
};
