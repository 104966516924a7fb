import { listAttribute, numberAttribute, type OnnxNode, textAttribute } from "./onnx-reader.js";
import { resizedDims, resizedFrom } from "./resize.js";
import { broadcastIndex, forEachIndex, normaliseAxis, sizeOf, stridesOf, type Tensor } from "./tensor.js";
import { countInWindow, forEachInWindow, outputDims, windowsOf } from "./windows.js";

/** `z_j = Σ_i a_i w_ij + b_j`, every linear layer alike: a list of edges and a bias. */
export interface LinearLayer {
  outDims: number[];
  bias: Float64Array;
  /** Every (i, j) that the layer connects, with its weight; edges from padding are left out. */
  forEachEdge(visit: (i: number, j: number, w: number) => void): void;
}

type Build = (node: OnnxNode, inputs: (Tensor | undefined)[]) => LinearLayer;

const convolution: Build = (node, [input, weight, bias]) => {
  const [batch, channels, ...spatial] = input!.dims as [number, number, ...number[]];
  const [outChannels, perGroup, ...kernel] = weight!.dims as [number, number, ...number[]];
  const groups = numberAttribute(node, "group", 1);
  const win = windowsOf(node, spatial, kernel);
  const plane = win.output[0] * win.output[1];
  const outPerGroup = outChannels / groups;
  const outDims = outputDims(win, batch, outChannels, spatial.length);
  const w = weight!.data;
  return {
    outDims,
    bias: Float64Array.from({ length: sizeOf(outDims) }, (_, j) =>
      bias ? bias.data[Math.floor(j / plane) % outChannels]! : 0,
    ),
    // Spelled out rather than with forEachInWindow: this is where all the time goes.
    forEachEdge(visit) {
      const [ky1, kx1] = win.kernel;
      const [dy, dx] = win.dilation;
      const [height, width] = win.input;
      for (let n = 0; n < batch; n++)
        for (let o = 0; o < outChannels; o++) {
          const firstChannel = n * channels + Math.floor(o / outPerGroup) * perGroup;
          for (let oy = 0; oy < win.output[0]; oy++)
            for (let ox = 0; ox < win.output[1]; ox++) {
              const j = (n * outChannels + o) * plane + oy * win.output[1] + ox;
              const y0 = oy * win.stride[0] - win.padBegin[0];
              const x0 = ox * win.stride[1] - win.padBegin[1];
              for (let c = 0; c < perGroup; c++)
                for (let ky = 0; ky < ky1; ky++) {
                  const y = y0 + ky * dy;
                  if (y < 0 || y >= height) continue;
                  for (let kx = 0; kx < kx1; kx++) {
                    const x = x0 + kx * dx;
                    if (x < 0 || x >= width) continue;
                    const i = ((firstChannel + c) * height + y) * width + x;
                    visit(i, j, w[((o * perGroup + c) * ky1 + ky) * kx1 + kx]!);
                  }
                }
            }
        }
    },
  };
};

const averagePool: Build = (node, [input]) => {
  const [batch, channels, ...spatial] = input!.dims as [number, number, ...number[]];
  const win = windowsOf(node, spatial, listAttribute(node, "kernel_shape")!);
  const withPadding = numberAttribute(node, "count_include_pad", 0) === 1;
  const outDims = outputDims(win, batch, channels, spatial.length);
  const inPlane = sizeOf(spatial);
  return {
    outDims,
    bias: new Float64Array(sizeOf(outDims)),
    forEachEdge(visit) {
      let j = 0;
      for (let c = 0; c < batch * channels; c++)
        for (let oy = 0; oy < win.output[0]; oy++)
          for (let ox = 0; ox < win.output[1]; ox++, j++) {
            const w = 1 / countInWindow(win, oy, ox, withPadding);
            forEachInWindow(win, oy, ox, (position) => visit(c * inPlane + position, j, w));
          }
    },
  };
};

/** Mean or sum over some axes. */
function reduction(input: Tensor, axes: readonly number[], keepDims: boolean, mean: boolean): LinearLayer {
  const kept = input.dims.map((n, axis) => (axes.includes(axis) ? 1 : n));
  const target = broadcastIndex(kept, input.dims);
  const w = mean ? sizeOf(kept) / sizeOf(input.dims) : 1;
  return {
    outDims: keepDims ? kept : input.dims.filter((_, axis) => !axes.includes(axis)),
    bias: new Float64Array(sizeOf(kept)),
    forEachEdge(visit) {
      for (let i = 0; i < target.length; i++) visit(i, target[i]!, w);
    },
  };
}

/** The axes a Reduce… node works on: an input since opset 18 (13 for ReduceSum), an attribute before. */
export function reducedAxes(node: OnnxNode, [input, axes]: (Tensor | undefined)[]): number[] {
  const given = axes ? [...axes.data] : listAttribute(node, "axes");
  if (given && given.length > 0) return given.map((axis) => normaliseAxis(axis, input!.dims.length));
  return numberAttribute(node, "noop_with_empty_axes", 0) === 1 ? [] : input!.dims.map((_, axis) => axis);
}

const reduce =
  (mean: boolean): Build =>
  (node, inputs) =>
    reduction(inputs[0]!, reducedAxes(node, inputs), numberAttribute(node, "keepdims", 1) === 1, mean);

const globalAveragePool: Build = (_node, [input]) =>
  reduction(
    input!,
    input!.dims.map((_, axis) => axis).filter((axis) => axis > 1),
    true,
    true,
  );

/** `y[r, n] = Σ_k x[r, k] B[k, n]` for every row r of x, B constant. */
function dense(rows: number, inner: number, outer: number, outDims: number[], b: (k: number, n: number) => number) {
  return {
    outDims,
    bias: new Float64Array(rows * outer),
    forEachEdge(visit: (i: number, j: number, w: number) => void) {
      for (let r = 0; r < rows; r++)
        for (let n = 0; n < outer; n++) for (let k = 0; k < inner; k++) visit(r * inner + k, r * outer + n, b(k, n));
    },
  };
}

const gemm: Build = (node, [a, b, c]) => {
  if (numberAttribute(node, "transA", 0) === 1) throw new Error(`Gemm "${node.name}" with transA is not handled`);
  const transposed = numberAttribute(node, "transB", 0) === 1;
  const [rows, inner] = a!.dims as [number, number];
  const outer = b!.dims[transposed ? 0 : 1]!;
  const alpha = numberAttribute(node, "alpha", 1);
  const layer = dense(
    rows,
    inner,
    outer,
    [rows, outer],
    (k, n) => alpha * b!.data[transposed ? n * inner + k : k * outer + n]!,
  );
  if (c) {
    const beta = numberAttribute(node, "beta", 1);
    layer.bias = Float64Array.from(broadcastIndex(c.dims, layer.outDims), (at) => beta * c.data[at]!);
  }
  return layer;
};

const matMul: Build = (node, [a, b]) => {
  if (b!.dims.length !== 2) throw new Error(`MatMul "${node.name}" with a ${b!.dims.length}-D matrix is not handled`);
  const [inner, outer] = b!.dims as [number, number];
  const outDims = [...a!.dims.slice(0, -1), outer];
  return dense(sizeOf(a!.dims) / inner, inner, outer, outDims, (k, n) => b!.data[k * outer + n]!);
};

/** Every input element goes to `stride · o + dilation · k − pad` of the output, weighted. */
const transposedConvolution: Build = (node, [input, weight, bias]) => {
  const [batch, channels, ...size] = input!.dims as [number, number, ...number[]];
  const [, perGroup, ...kernel] = weight!.dims as [number, number, ...number[]];
  const groups = numberAttribute(node, "group", 1);
  const list = (name: string, fallback: number[]): number[] => listAttribute(node, name) ?? fallback;
  const strides = list("strides", [1, 1]);
  const dilations = list("dilations", [1, 1]);
  const extra = list("output_padding", [0, 0]);
  const full = size.map((n, k) => strides[k]! * (n - 1) + dilations[k]! * (kernel[k]! - 1) + 1 + extra[k]!);
  let pads = list("pads", [0, 0, 0, 0]);
  const auto = textAttribute(node, "auto_pad", "NOTSET");
  const wanted = listAttribute(node, "output_shape")?.slice(-2);
  if (wanted || auto.startsWith("SAME")) {
    const total = full.map((f, k) => f - (wanted?.[k] ?? size[k]! * strides[k]!));
    const low = total.map((t) => (auto === "SAME_UPPER" ? Math.floor(t / 2) : t - Math.floor(t / 2)));
    pads = [...low, ...total.map((t, k) => t - low[k]!)];
  }
  const output = full.map((f, k) => f - pads[k]! - pads[k + 2]!) as [number, number];
  const outChannels = perGroup * groups;
  const outDims = [batch, outChannels, ...output];
  const plane = output[0] * output[1];
  return {
    outDims,
    bias: Float64Array.from({ length: sizeOf(outDims) }, (_, j) =>
      bias ? bias.data[Math.floor(j / plane) % outChannels]! : 0,
    ),
    forEachEdge(visit) {
      forEachIndex(input!.dims, ([n, c, y, x], i) => {
        const group = Math.floor(c! / (channels / groups));
        forEachIndex(weight!.dims.slice(1), ([o, ky, kx], at) => {
          const oy = y! * strides[0]! + ky! * dilations[0]! - pads[0]!;
          const ox = x! * strides[1]! + kx! * dilations[1]! - pads[1]!;
          if (oy < 0 || oy >= output[0] || ox < 0 || ox >= output[1]) return;
          const j = ((n! * outChannels + group * perGroup + o!) * output[0] + oy) * output[1] + ox;
          visit(i, j, weight!.data[c! * perGroup * kernel[0]! * kernel[1]! + at]!);
        });
      });
    },
  };
};

/** Bilinear interpolation: four neighbours of each output element, weighted by their distance. */
const interpolation: Build = (node, inputs) => {
  const input = inputs[0]!;
  const { dims: outDims, scales } = resizedDims(node, inputs);
  const strides = stridesOf(input.dims);
  return {
    outDims,
    bias: new Float64Array(sizeOf(outDims)),
    forEachEdge(visit) {
      forEachIndex(outDims, (index, j) => {
        let corners: [number, number][] = [[0, 1]];
        index.forEach((k, axis) => {
          const n = input.dims[axis]!;
          const at = Math.min(Math.max(resizedFrom(node, k, n, outDims[axis]!, scales[axis]!), 0), n - 1);
          const low = Math.floor(at);
          corners = corners.flatMap(([i, w]): [number, number][] => [
            [i + low * strides[axis]!, w * (1 - (at - low))],
            ...(at > low ? [[i + (low + 1) * strides[axis]!, w * (at - low)] as [number, number]] : []),
          ]);
        });
        for (const [i, w] of corners) visit(i, j, w);
      });
    },
  };
};

/** Linear layers by what `linearName` says of a node; all inputs but the first are constants. */
export const LINEAR: Record<string, Build> = {
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  Gemm: gemm,
  MatMul: matMul,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  ReduceMean: reduce(true),
  ReduceSum: reduce(false),
  interpolation,
};

/** A resize is a linear layer where it interpolates, else it moves elements. */
export const linearName = (node: OnnxNode): string =>
  (node.op === "Resize" || node.op === "Upsample") && textAttribute(node, "mode", "nearest") !== "nearest"
    ? "interpolation"
    : node.op;

/** Layers that can be the one that reads the image. */
export const READS_IMAGE = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

/** The axis along which a layer's weights differ from output to output; of a mean or sum the only one that it leaves. */
export function channelAxis(node: OnnxNode, inputs: (Tensor | undefined)[], rank: number): number {
  if (node.op === "MatMul") return rank - 1;
  if (!["ReduceMean", "ReduceSum"].includes(node.op) || numberAttribute(node, "keepdims", 1) !== 1) return 1;
  const reduced = reducedAxes(node, inputs);
  const left = inputs[0]!.dims.map((_, axis) => axis).filter((axis) => axis > 0 && !reduced.includes(axis));
  return left.length === 1 ? left[0]! : 1;
}

export function linearForward(layer: LinearLayer, a: Float64Array): Float64Array {
  const z = Float64Array.from(layer.bias);
  layer.forEachEdge((i, j, w) => {
    z[j]! += a[i]! * w;
  });
  return z;
}

/** Max pools by operator: `visit(j, members)` with the input elements that output `j` looks at. */
export function maxPoolWindows(node: OnnxNode, inputs: (Tensor | undefined)[]) {
  const input = inputs[0]!;
  const windows: number[][] = [];
  if (node.op === "MaxPool") {
    const [batch, channels, ...spatial] = input.dims as [number, number, ...number[]];
    const win = windowsOf(node, spatial, listAttribute(node, "kernel_shape")!);
    const plane = sizeOf(spatial);
    for (let c = 0; c < batch * channels; c++)
      for (let oy = 0; oy < win.output[0]; oy++)
        for (let ox = 0; ox < win.output[1]; ox++) {
          const members: number[] = [];
          forEachInWindow(win, oy, ox, (position) => members.push(c * plane + position));
          windows.push(members);
        }
    return { outDims: outputDims(win, batch, channels, spatial.length), windows };
  }
  const axes =
    node.op === "GlobalMaxPool"
      ? input.dims.map((_, axis) => axis).filter((axis) => axis > 1)
      : reducedAxes(node, inputs);
  const kept = input.dims.map((n, axis) => (axes.includes(axis) ? 1 : n));
  const strides = stridesOf(kept);
  for (let j = 0; j < sizeOf(kept); j++) windows.push([]);
  forEachIndex(input.dims, (index, i) => {
    const j = index.reduce((sum, at, axis) => sum + (kept[axis] === 1 ? 0 : at * strides[axis]!), 0);
    windows[j]!.push(i);
  });
  const keep = node.op === "GlobalMaxPool" || numberAttribute(node, "keepdims", 1) === 1;
  return { outDims: keep ? kept : input.dims.filter((_, axis) => !axes.includes(axis)), windows };
}

export const MAX_POOLS = new Set(["MaxPool", "GlobalMaxPool", "ReduceMax"]);
