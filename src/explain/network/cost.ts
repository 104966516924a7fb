import { elements, type Layer, type Network } from "./network.js";

/** What a layer costs, for one frame. */
export interface Cost {
  /** Weights and biases. */
  parameters: number;
  /** Multiplications with an addition, of the layer's weights or windows; 0 for layers that only move or compare. */
  multiplyAdds: number;
}

const NOTHING: Cost = { parameters: 0, multiplyAdds: 0 };

/** Parameters and multiply-adds of one layer of one frame, batch norms counted as folded. */
export function costOf(network: Network, layer: Layer): Cost {
  const outputs = elements(network.shapes.get(layer.outputs[0]!)!);
  switch (layer.kind) {
    case "conv": {
      const [, perGroup, kh, kw] = layer.weight.dims as [number, number, number, number];
      return {
        parameters: layer.weight.data.length + (layer.bias?.length ?? 0),
        multiplyAdds: outputs * perGroup * kh * kw,
      };
    }
    case "dense":
      return {
        parameters: layer.weight.data.length + (layer.bias?.length ?? 0),
        multiplyAdds: outputs * layer.weight.dims[layer.outFirst ? 1 : 0]!,
      };
    case "averagePool":
      return { parameters: 0, multiplyAdds: outputs * layer.kernel[0] * layer.kernel[1] };
    case "mean":
      return { parameters: 0, multiplyAdds: elements(network.shapes.get(layer.inputs[0]!)!) };
    case "resize": {
      const [, , height, width] = network.shapes.get(layer.inputs[0]!)! as [number, number, number, number];
      const [rows, columns] = [layer.rows.dims[0]!, layer.columns.dims[0]!];
      const channels = network.shapes.get(layer.outputs[0]!)![1]!;
      return { parameters: 0, multiplyAdds: channels * (rows * height * width + rows * width * columns) };
    }
    case "attention":
    case "matrixProduct": {
      const left = layer.kind === "attention" && layer.gateFirst ? 1 : 0;
      return { parameters: 0, multiplyAdds: outputs * network.shapes.get(layer.inputs[left]!)!.at(-1)! };
    }
    case "norm":
    case "scale":
      return {
        parameters: (layer.factor?.data.length ?? 0) + (layer.shift?.data.length ?? 0),
        multiplyAdds: layer.factor ? outputs : 0,
      };
    default:
      return NOTHING;
  }
}
