import {
  crossedInputs,
  type Layer,
  type MeanLayer,
  type Network,
  type TensorId,
  type Window,
} from "../network/network.js";

/** What one element of a tensor sees of the picture along its height and width, in pixels, and how far apart neighbours look. */
interface View {
  seen: readonly [number, number];
  jump: readonly [number, number];
}

const PIXEL: View = { seen: [1, 1], jump: [1, 1] };
const WHOLE: View = { seen: [Infinity, Infinity], jump: [1, 1] };
const SIDES = [0, 1] as const;

/**
 * The share of the picture's side that one element of each tensor can see, `min(1, receptive field / side)`, the larger of height and
 * width. Fields grow by `(k − 1) · dilation · jump` at convolutions and pools, jumps by the stride; where branches meet the largest
 * counts.
 */
export function visibleShares(network: Network): Map<TensorId, number> {
  const sides = pictureSides(network);
  const views = new Map<TensorId, View>([[network.input, PIXEL]]);
  const shares = new Map<TensorId, number>();
  for (const layer of network.layers) {
    const view = viewOf(layer, widest(crossedInputs(layer).map((id) => views.get(id) ?? PIXEL)), network);
    for (const id of layer.outputs) {
      views.set(id, view);
      shares.set(id, Math.min(1, Math.max(...SIDES.map((k) => view.seen[k] / sides[k]))));
    }
  }
  return shares;
}

function viewOf(layer: Layer, below: View, network: Network): View {
  switch (layer.kind) {
    case "conv":
      return throughWindow(below, layer, layer.spread?.every);
    case "averagePool":
      return throughWindow(below, layer);
    case "maxPool":
      return isGlobal(layer, network) ? WHOLE : throughWindow(below, layer);
    case "mean":
      return isOfChannels(layer, network) ? below : WHOLE;
    case "dense":
      return WHOLE;
    // A product of two tensors that both depend on the picture.
    case "gate":
    case "attention":
    case "matrixProduct":
    case "signals":
      return WHOLE;
    // Measured against the whole, as in one piece, where it is a layer norm.
    case "normalised":
      return layer.centred ? below : WHOLE;
    case "reshape":
      return network.shapes.get(layer.outputs[0]!)!.length === 2 ? WHOLE : below;
    default:
      return below;
  }
}

/** @param spread of a transposed convolution: between so many elements of its input lies one that is none of zero padding */
function throughWindow({ seen, jump }: View, window: Window, spread: readonly [number, number] = [1, 1]): View {
  const apart = SIDES.map((k) => jump[k] / spread[k]) as [number, number];
  return {
    seen: SIDES.map((k) => seen[k] + (window.kernel[k] - 1) * window.dilations[k] * apart[k]) as [number, number],
    jump: SIDES.map((k) => apart[k] * window.strides[k]) as [number, number],
  };
}

/** A pool of one window, as wide as what it reads. */
function isGlobal({ inputs, kernel }: Layer & Window, { shapes }: Network): boolean {
  const [, , height, width] = shapes.get(inputs[0]!)!;
  return kernel[0] === height && kernel[1] === width;
}

/** A mean of the channels at each place. */
const isOfChannels = ({ axes, inputs }: MeanLayer, { shapes }: Network): boolean =>
  axes.join() === "1" && shapes.get(inputs[0]!)!.length === 4;

const widest = (views: readonly View[]): View => ({
  seen: SIDES.map((k) => Math.max(...views.map((v) => v.seen[k]))) as [number, number],
  jump: SIDES.map((k) => Math.max(...views.map((v) => v.jump[k]))) as [number, number],
});

/**
 * The last two axes of the network's input, whatever their meaning: the reference maps of pictures with channels last take width
 * and channels for the sides too, so that λ is 1 there from the first kernel of 3 on.
 */
function pictureSides({ input, shapes }: Network): [number, number] {
  const [height = 1, width = 1] = shapes.get(input)!.slice(2);
  return [height, width];
}
