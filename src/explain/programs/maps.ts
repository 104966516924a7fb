import { ModelError } from "../../errors.js";
import { emitGradient } from "../backward/gradient.js";
import type { Scope } from "../layers/scope.js";
import { elements, type Network, type TensorId } from "../network/network.js";
import type { MethodOptions } from "../options.js";
import { inputValues, type Preprocessing } from "../preprocessing.js";
import { emitBounds } from "../program/bounds.js";
import { Emitter, type Value } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { emitInputRelevance, emitScores, isSmooth, type Scores } from "./explanation.js";
import { emitPictures } from "./pictures.js";

interface Begun {
  e: Emitter;
  scope: Scope;
  scores: Scores;
  /** The network's input. */
  input: Value;
}

/** Pictures in, and the class to explain of each. `along`: the picture is multiplied by this before the network reads it. */
function begin(network: Network, p: Preprocessing, along?: (e: Emitter, input: Value) => Value): Begun {
  const e = new Emitter();
  const input = emitPictures(e, p, network);
  const each = e.cast(e.input("target", "float32", [-1]), "int64");
  return { e, input, ...emitScores(e, network, along?.(e, input) ?? input, { each }) };
}

/** Of a map with the dims of the network's input the sum over its channels, as the output `map`. */
function endWith({ e }: Begun, map: Value, network: Network, p: Preprocessing, smooth: boolean): Program {
  const { width, height } = p;
  const channelAxis = p.layout === "NCHW" ? 1 : 3;
  const flat = network.shapes.get(network.input)!.length === 4 ? e.reduce("ReduceSum", map, [channelAxis], false) : map;
  e.output(e.reshape(flat, [-1, height, width]), "map", "float32", [-1, height, width]);
  return e.finish(smooth);
}

/**
 * The relevance of each pixel as it comes, of a class that is given for each frame. Inputs: `frames` uint8 `[N, H, W, 3]` RGB,
 * `target` float32 `[N]`. Output: `map` `[N, H, W]`, the sum over the channels, not scaled.
 */
export function mapProgram(network: Network, options: Omit<MethodOptions, "target">, p: Preprocessing): Program {
  const begun = begin(network, p);
  const dims = network.shapes.get(network.input)!;
  const axis = p.layout === "NCHW" ? 1 : 3;
  const bounds = emitBounds(begun.e, inputValues(p, 0), inputValues(p, 255), dims.length, axis);
  const map = emitInputRelevance(begun.scope, begun.scores, options, bounds, dims.length === 4 && axis === 1);
  return endWith(begun, map, network, p, isSmooth(options.method));
}

/**
 * One step of integrated gradients, `x · ∂z_t/∂x` at `alpha · x` (Sundararajan, Taly and Yan 2017; the baseline is an input of zeros, as
 * in Captum): the map is the mean over steps. Inputs and output as of `mapProgram`, and `alpha` float32 `[N]`.
 */
export function pathGradientProgram(network: Network, p: Preprocessing): Program {
  const rank = network.shapes.get(network.input)!.length;
  const begun = begin(network, p, (e, input) =>
    e.mul(input, e.reshape(e.input("alpha", "float32", [-1]), [-1, ...new Array<number>(rank - 1).fill(1)])),
  );
  const { e, scope, scores, input } = begun;
  return endWith(begun, e.mul(emitGradient(scope, scores.oneHot), input), network, p, false);
}

/**
 * Grad-CAM, `ReLU(Σ_k mean(∂z_t/∂A_k) A_k)` (Selvaraju et al. 2017), enlarged bilinearly; `A` is the last tensor laid out as a
 * picture through which all passes on its way to the scores. Inputs and output as of `mapProgram`.
 * @throws ModelError where there is no such tensor
 */
export function gradCamProgram(network: Network, p: Preprocessing): Program {
  const at = lastPicture(network);
  if (at === undefined)
    throw new ModelError(
      "model-unsupported",
      "grad-cam needs a convolution's output through which all passes on its way to the scores, and this network has none; use another method",
    );
  const { e, scope, scores } = begin(network, p);
  const layers = network.layers.slice(at.after);
  const gradient = emitGradient({ ...scope, network: { ...network, input: at.tensor, layers } }, scores.oneHot);
  const weights = e.reduce("ReduceMean", gradient, [2, 3]);
  const map = e.relu(e.reduce("ReduceSum", e.mul(weights, scope.values.get(at.tensor)!), [1], false));
  const [, , rows, columns] = network.shapes.get(at.tensor) as [number, number, number, number];
  const large = e.matmul(
    e.matmul(e.tensor(bilinear(p.height, rows), [p.height, rows]), map),
    e.transpose(e.tensor(bilinear(p.width, columns), [p.width, columns]), [1, 0]),
  );
  e.output(large, "map", "float32", [-1, p.height, p.width]);
  return e.finish(false);
}

/** The last `[N, C, H, W]` of several places that alone leads to the scores, and how many layers lie before its readers. */
function lastPicture({ layers, shapes, output }: Network): { tensor: TensorId; after: number } | undefined {
  // Read by the layers behind the one in hand and not made by them.
  const open = new Set<TensorId>([output]);
  for (let k = layers.length - 1; k >= 0; k--) {
    const { inputs, outputs } = layers[k]!;
    const [tensor] = outputs as [TensorId];
    const dims = shapes.get(tensor)!;
    if (open.size === 1 && open.has(tensor) && dims.length === 4 && elements(dims.slice(2)) > 1)
      return { tensor, after: k + 1 };
    for (const id of outputs) open.delete(id);
    for (const id of inputs) open.add(id);
  }
  return undefined;
}

/** `[to, from]`: weights of bilinear enlargement by the centres of pixels, the border repeated. */
function bilinear(to: number, from: number): Float32Array {
  const data = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const place = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const low = Math.min(Math.floor(place), Math.max(0, from - 2));
    const high = Math.min(from - 1, low + 1);
    data[i * from + low]! += 1 - (place - low);
    data[i * from + high]! += place - low;
  }
  return data;
}
