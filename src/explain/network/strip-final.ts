import { elements, type Layer, makers, type Network } from "./network.js";

const isFinalSigmoid = (layer: Layer): boolean =>
  layer.kind === "activation" && layer.steps.length === 1 && layer.steps[0]!.op === "Sigmoid";

/** Takes a softmax or sigmoid off the end, through reshapes, and gives the logits dims `[N, classes]`. */
export function stripFinal(network: Network): Network {
  const made = makers(network);
  const after: Layer[] = [];
  let at = network.output;
  let layer = made.get(at);
  while (layer?.kind === "reshape") {
    after.push(layer);
    at = layer.inputs[0]!;
    layer = made.get(at);
  }
  const final = layer?.kind === "softmax" ? "softmax" : layer && isFinalSigmoid(layer) ? "sigmoid" : "none";
  if (final === "none") return flatten(network);
  const removed = new Set<Layer>([layer!, ...after]);
  return flatten({
    ...network,
    final,
    output: layer!.inputs[0]!,
    layers: network.layers.filter((l) => !removed.has(l)),
  });
}

function flatten(network: Network): Network {
  const shape = network.shapes.get(network.output)!;
  if (shape.length === 2) return network;
  const output = network.nextId;
  return {
    ...network,
    output,
    nextId: output + 1,
    shapes: new Map(network.shapes).set(output, [-1, elements(shape)]),
    layers: [
      ...network.layers,
      { kind: "reshape", name: "scores", operator: "Reshape", inputs: [network.output], outputs: [output] },
    ],
  };
}
