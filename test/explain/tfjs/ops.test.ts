import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";

beforeAll(() => tf.setBackend("cpu"));

const [HEIGHT, WIDTH, CHANNELS] = [6, 8, 4];
type Attributes = Record<string, unknown>;
const text = (s: string) => ({ s: Buffer.from(s).toString("base64") });
const texts = (...s: string[]) => ({ list: { s: s.map((each) => Buffer.from(each).toString("base64")) } });
const ints = (...i: number[]) => ({ list: { i } });
const type = { type: "DT_FLOAT" };

/** A graph model under construction: a picture, operations one behind another, and three scores of their means. */
class GraphModel {
  readonly nodes: object[] = [
    {
      name: "picture",
      op: "Placeholder",
      attr: { dtype: type, shape: { shape: { dim: [-1, HEIGHT, WIDTH, CHANNELS].map((size) => ({ size })) } } },
    },
  ];
  readonly specs: tf.io.WeightsManifestEntry[] = [];
  readonly data: number[][] = [];
  #random = noise(7);
  at = "picture";

  constant(shape: number[], values?: number[], dtype: "float32" | "int32" = "float32"): string {
    const name = `constant_${this.specs.length}`;
    const size = shape.reduce((a, b) => a * b, 1);
    this.specs.push({ name, shape, dtype });
    this.data.push(values ?? Array.from({ length: size }, () => 0.5 * this.#random()));
    this.nodes.push({
      name,
      op: "Const",
      attr: {
        dtype: { type: dtype === "float32" ? "DT_FLOAT" : "DT_INT32" },
        value: {
          tensor: {
            dtype: dtype === "float32" ? "DT_FLOAT" : "DT_INT32",
            tensorShape: { dim: shape.map((s) => ({ size: s })) },
          },
        },
      },
    });
    return name;
  }
  ints(...values: number[]): string {
    return this.constant([values.length], values, "int32");
  }
  scalar(value: number): string {
    return this.constant([], [value], "int32");
  }
  op(op: string, input: string[], attr: Attributes = {}): string {
    const name = `${op}_${this.nodes.length}`;
    this.nodes.push({ name, op, input, attr: { T: type, ...attr } });
    this.at = name;
    return name;
  }
  conv(channels = 4, x = this.at, from = CHANNELS): string {
    return this.op("Conv2D", [x, this.constant([3, 3, from, channels])], WINDOW("SAME"));
  }
  /** The means of the last picture, or the row itself, times a matrix. */
  artifacts(channels: number, rank = 4): tf.io.ModelArtifacts {
    if (rank === 4) this.op("Mean", [this.at, this.ints(1, 2)], { keep_dims: { b: false } });
    this.op("MatMul", [this.at, this.constant([channels, 3])], {
      transpose_a: { b: false },
      transpose_b: { b: false },
    });
    const views = this.specs.map((s, k) =>
      s.dtype === "int32" ? Int32Array.from(this.data[k]!) : Float32Array.from(this.data[k]!),
    );
    const bytes = Buffer.concat(views.map((v) => Buffer.from(v.buffer)));
    return {
      format: "graph-model",
      modelTopology: { node: this.nodes, library: {}, versions: {} },
      weightSpecs: this.specs,
      weightData: new Uint8Array(bytes).buffer,
      signature: { inputs: { picture: { name: "picture:0" } }, outputs: { scores: { name: `${this.at}:0` } } } as never,
    };
  }
}
const WINDOW = (padding: string, strides = 1, dilations = 1): Attributes => ({
  strides: ints(1, strides, strides, 1),
  dilations: ints(1, dilations, dilations, 1),
  padding: text(padding),
  data_format: text("NHWC"),
  explicit_paddings: ints(),
});
const FUSED = (padding: string, ops: string[], args: number): Attributes => ({
  ...WINDOW(padding),
  fused_ops: texts(...ops),
  num_args: { i: args },
  epsilon: { f: 0.001 },
  leakyrelu_alpha: { f: 0.3 },
});
const pool = (size: number, strides: number, padding: string): Attributes => ({
  ...WINDOW(padding, strides),
  ksize: ints(1, size, size, 1),
});

/** Name, what is written, channels (or numbers) at the end, axes at the end. */
const CASES: [string, (g: GraphModel) => unknown, number, number?][] = [
  ["convolution, same, of strides", (g) => g.op("Conv2D", [g.at, g.constant([3, 3, 4, 5])], WINDOW("SAME", 2)), 5],
  ["convolution, valid, dilated", (g) => g.op("Conv2D", [g.at, g.constant([3, 2, 4, 5])], WINDOW("VALID", 1, 2)), 5],
  [
    "convolution, padded explicitly",
    (g) =>
      g.op("Conv2D", [g.at, g.constant([3, 3, 4, 5])], {
        ...WINDOW("EXPLICIT"),
        explicit_paddings: ints(0, 0, 1, 0, 2, 1, 0, 0),
      }),
    5,
  ],
  [
    "depthwise convolution",
    (g) => g.op("DepthwiseConv2dNative", [g.at, g.constant([3, 3, 4, 2])], WINDOW("SAME", 2)),
    8,
  ],
  [
    "fused convolution: bias, relu",
    (g) =>
      g.op("_FusedConv2D", [g.at, g.constant([3, 3, 4, 5]), g.constant([5])], FUSED("SAME", ["BiasAdd", "Relu"], 1)),
    5,
  ],
  [
    "fused convolution: bias, relu6",
    (g) =>
      g.op("_FusedConv2D", [g.at, g.constant([3, 3, 4, 5]), g.constant([5])], FUSED("SAME", ["BiasAdd", "Relu6"], 1)),
    5,
  ],
  [
    "fused convolution: bias, elu",
    (g) =>
      g.op("_FusedConv2D", [g.at, g.constant([3, 3, 4, 5]), g.constant([5])], FUSED("VALID", ["BiasAdd", "Elu"], 1)),
    5,
  ],
  [
    "fused convolution: bias, leaky relu",
    (g) =>
      g.op(
        "_FusedConv2D",
        [g.at, g.constant([3, 3, 4, 5]), g.constant([5])],
        FUSED("SAME", ["BiasAdd", "LeakyRelu"], 1),
      ),
    5,
  ],
  [
    "fused convolution: bias, prelu",
    (g) =>
      g.op(
        "_FusedConv2D",
        [g.at, g.constant([3, 3, 4, 5]), g.constant([5]), g.constant([1, 1, 5])],
        FUSED("SAME", ["BiasAdd", "Prelu"], 2),
      ),
    5,
  ],
  [
    "fused depthwise convolution",
    (g) =>
      g.op(
        "FusedDepthwiseConv2dNative",
        [g.at, g.constant([3, 3, 4, 1]), g.constant([4])],
        FUSED("SAME", ["BiasAdd", "Relu6"], 1),
      ),
    4,
  ],
  [
    "transposed convolution, same",
    (g) => g.op("Conv2DBackpropInput", [g.ints(1, 12, 16, 5), g.constant([3, 3, 5, 4]), g.at], WINDOW("SAME", 2)),
    5,
  ],
  [
    "transposed convolution, same, of odd size",
    (g) => g.op("Conv2DBackpropInput", [g.ints(1, 11, 15, 5), g.constant([3, 3, 5, 4]), g.at], WINDOW("SAME", 2)),
    5,
  ],
  [
    "transposed convolution, valid",
    (g) => g.op("Conv2DBackpropInput", [g.ints(1, 13, 17, 5), g.constant([3, 3, 5, 4]), g.at], WINDOW("VALID", 2)),
    5,
  ],
  [
    "transposed convolution of a kernel shorter than its stride, of computed size",
    (g) => {
      const x = g.conv();
      const shape = g.op("Shape", [x], { out_type: { type: "DT_INT32" } });
      const batch = g.op("StridedSlice", [shape, g.ints(0), g.ints(1), g.ints(1)], {
        begin_mask: { i: 0 },
        end_mask: { i: 0 },
        ellipsis_mask: { i: 0 },
        new_axis_mask: { i: 0 },
        shrink_axis_mask: { i: 1 },
      });
      const size = g.op("Pack", [batch, g.scalar(12), g.scalar(16), g.scalar(5)], { axis: { i: 0 }, N: { i: 4 } });
      g.op("Conv2DBackpropInput", [size, g.constant([1, 1, 5, 4]), x], WINDOW("VALID", 2));
      g.op("MaxPool", [g.at], pool(2, 2, "VALID"));
    },
    5,
  ],
  [
    "batch norm",
    (g) =>
      g.op(
        "FusedBatchNormV3",
        [g.conv(), g.constant([4]), g.constant([4]), g.constant([4]), g.constant([4], [0.5, 1, 2, 3])],
        { epsilon: { f: 0.01 }, is_training: { b: false }, data_format: text("NHWC") },
      ),
    4,
  ],
  ["max pool", (g) => g.op("MaxPool", [g.at], pool(3, 2, "SAME")), 4],
  ["average pool", (g) => g.op("AvgPool", [g.at], pool(3, 2, "SAME")), 4],
  ["bias, relu", (g) => g.op("Relu", [g.op("BiasAdd", [g.conv(), g.constant([4])], { data_format: text("NHWC") })]), 4],
  [
    "swish",
    (g) => {
      const x = g.conv();
      g.op("Mul", [x, g.op("Sigmoid", [x])]);
    },
    4,
  ],
  [
    "swish that keeps what its gradient reads",
    (g) => {
      const x = g.conv();
      const y = g.op("Mul", [x, g.op("Sigmoid", [x])]);
      g.op("Relu", [`${g.op("IdentityN", [y, x], { T: { list: { type: ["DT_FLOAT", "DT_FLOAT"] } } })}:0`]);
    },
    4,
  ],
  [
    "hard swish",
    (g) => {
      const x = g.conv();
      const r = g.op("Relu6", [g.op("AddV2", [x, g.constant([], [3])])]);
      g.op("Mul", [x, g.op("Mul", [r, g.constant([], [1 / 6])])]);
    },
    4,
  ],
  [
    "gelu",
    (g) => {
      const x = g.conv();
      const e = g.op("Erf", [g.op("Mul", [x, g.constant([], [Math.SQRT1_2])])]);
      g.op("Mul", [g.op("Mul", [x, g.constant([], [0.5])]), g.op("AddV2", [e, g.constant([], [1])])]);
    },
    4,
  ],
  ...["Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Relu6", "Relu"].map(
    (op): [string, (g: GraphModel) => unknown, number] => [op, (g) => g.op(op, [g.conv()]), 4],
  ),
  ["leaky relu", (g) => g.op("LeakyRelu", [g.conv()], { alpha: { f: 0.3 } }), 4],
  ["prelu", (g) => g.op("Prelu", [g.conv(), g.constant([1, 1, 4])]), 4],
  [
    "minimum and maximum with constants",
    (g) => g.op("Maximum", [g.op("Minimum", [g.conv(), g.constant([], [0.4])]), g.constant([], [-0.2])]),
    4,
  ],
  [
    "a difference from a constant, divided",
    (g) => g.op("RealDiv", [g.op("Sub", [g.at, g.constant([4])]), g.constant([4], [1, 2, 3, 4])]),
    4,
  ],
  ["pad", (g) => g.conv(4, g.op("Pad", [g.at, g.constant([4, 2], [0, 0, 1, 2, 0, 3, 0, 0], "int32")])), 4],
  [
    "pad with a value",
    (g) =>
      g.conv(4, g.op("PadV2", [g.at, g.constant([4, 2], [0, 0, 1, 2, 0, 3, 0, 0], "int32"), g.constant([], [0.5])])),
    4,
  ],
  [
    "mirrored pad",
    (g) =>
      g.conv(
        4,
        g.op("MirrorPad", [g.at, g.constant([4, 2], [0, 0, 1, 2, 0, 3, 0, 0], "int32")], { mode: text("REFLECT") }),
      ),
    4,
  ],
  [
    "concatenation",
    (g) => {
      const [a, b] = [g.conv(3, "picture"), g.conv(2, "picture")];
      g.op("ConcatV2", [a, b, g.scalar(-1)], { N: { i: 2 } });
    },
    5,
  ],
  [
    "split",
    (g) => {
      const s = g.op("Split", [g.scalar(3), g.conv(4)], { num_split: { i: 2 } });
      g.op("ConcatV2", [`${s}:1`, s, g.scalar(3)], { N: { i: 2 } });
    },
    4,
  ],
  [
    "split in parts",
    (g) => {
      const s = g.op("SplitV", [g.conv(4), g.ints(1, 3), g.scalar(3)], { num_split: { i: 2 } });
      g.op("Relu", [`${s}:1`]);
    },
    3,
  ],
  [
    "strided slice",
    (g) =>
      g.op("StridedSlice", [g.conv(), g.ints(0, 1, 0, 1), g.ints(0, 0, 7, 3), g.ints(1, 2, 3, 1)], {
        begin_mask: { i: 1 },
        end_mask: { i: 3 },
        ellipsis_mask: { i: 0 },
        new_axis_mask: { i: 0 },
        shrink_axis_mask: { i: 0 },
      }),
    2,
  ],
  [
    "strided slice that drops an axis",
    (g) =>
      g.op(
        "Mean",
        [
          g.op("StridedSlice", [g.conv(), g.ints(0, 2, 0, 0), g.ints(0, 3, 0, 0), g.ints(1, 1, 1, 1)], {
            begin_mask: { i: 13 },
            end_mask: { i: 13 },
            ellipsis_mask: { i: 0 },
            new_axis_mask: { i: 0 },
            shrink_axis_mask: { i: 2 },
          }),
          g.ints(1),
        ],
        { keep_dims: { b: false } },
      ),
    4,
    2,
  ],
  [
    "slice",
    (g) => g.op("Slice", [g.conv(), g.ints(0, 1, 2, 0), g.ints(-1, 3, -1, 2)], { Index: { type: "DT_INT32" } }),
    2,
  ],
  [
    "means that keep their axes, squeezed",
    (g) =>
      g.op("Squeeze", [g.op("Mean", [g.conv(), g.ints(1, 2)], { keep_dims: { b: true } })], {
        squeeze_dims: ints(1, 2),
      }),
    4,
    2,
  ],
  ["maxima", (g) => g.op("Max", [g.conv(), g.ints(1, 2)], { keep_dims: { b: false } }), 4, 2],
  ["sums", (g) => g.op("Sum", [g.conv(), g.ints(-3, -2)], { keep_dims: { b: false } }), 4, 2],
  ["reshape to a row", (g) => g.op("Reshape", [g.conv(2), g.ints(-1, HEIGHT * WIDTH * 2)]), HEIGHT * WIDTH * 2, 2],
  ["transposed picture", (g) => g.op("Transpose", [g.conv(), g.ints(0, 2, 1, 3)]), 4],
  [
    "softmax gate",
    (g) => {
      const x = g.conv();
      g.op("Mul", [x, g.op("Softmax", [x])]);
    },
    4,
  ],
  [
    "sum of three",
    (g) => {
      const x = g.conv();
      g.op("AddN", [x, "picture", x], { N: { i: 3 } });
    },
    4,
  ],
  [
    "resize, bilinear",
    (g) =>
      g.conv(
        4,
        g.op("ResizeBilinear", [g.at, g.ints(12, 16)], {
          align_corners: { b: false },
          half_pixel_centers: { b: true },
        }),
      ),
    4,
  ],
  [
    "resize, bilinear, of old corners",
    (g) =>
      g.conv(
        4,
        g.op("ResizeBilinear", [g.at, g.ints(9, 16)], { align_corners: { b: true }, half_pixel_centers: { b: false } }),
      ),
    4,
  ],
  [
    "resize, bilinear, old",
    (g) =>
      g.conv(
        4,
        g.op("ResizeBilinear", [g.at, g.ints(9, 16)], {
          align_corners: { b: false },
          half_pixel_centers: { b: false },
        }),
      ),
    4,
  ],
  [
    "resize, nearest",
    (g) =>
      g.conv(
        4,
        g.op("ResizeNearestNeighbor", [g.at, g.ints(12, 16)], {
          align_corners: { b: false },
          half_pixel_centers: { b: false },
        }),
      ),
    4,
  ],
  [
    "depth to space",
    (g) => g.conv(4, g.op("DepthToSpace", [g.conv(8)], { block_size: { i: 2 }, data_format: text("NHWC") }), 2),
    4,
  ],
  [
    "expanded and squeezed",
    (g) => g.op("Squeeze", [g.op("ExpandDims", [g.conv(), g.scalar(1)])], { squeeze_dims: ints(1) }),
    4,
  ],
  [
    "stack",
    (g) =>
      g.op(
        "Mean",
        [g.op("Pack", [g.conv(4, "picture"), g.conv(4, "picture")], { axis: { i: 1 }, N: { i: 2 } }), g.ints(1)],
        { keep_dims: { b: false } },
      ),
    4,
  ],
  [
    "dilated convolution by blocks",
    (g) => {
      const blocks = g.op("SpaceToBatchND", [g.at, g.ints(2, 2), g.constant([2, 2], [2, 2, 2, 2], "int32")]);
      const conv = g.op("Conv2D", [blocks, g.constant([3, 3, 4, 5])], WINDOW("VALID"));
      g.op("BatchToSpaceND", [conv, g.ints(2, 2), g.constant([2, 2], [0, 0, 0, 0], "int32")]);
    },
    5,
  ],
  [
    "fused matrix product",
    (g) => {
      g.op("Mean", [g.conv(), g.ints(1, 2)], { keep_dims: { b: false } });
      g.op("_FusedMatMul", [g.at, g.constant([6, 4]), g.constant([6])], {
        transpose_a: { b: false },
        transpose_b: { b: true },
        fused_ops: texts("BiasAdd", "Relu"),
        num_args: { i: 1 },
      });
    },
    6,
    2,
  ],
  [
    "batched matrix product",
    (g) => g.op("BatchMatMulV2", [g.conv(), g.constant([4, 5])], { adj_x: { b: false }, adj_y: { b: false } }),
    5,
  ],
  ...[
    [5, 4],
    [1, 1, 5, 4],
  ].map((dims): [string, (g: GraphModel) => unknown, number] => [
    `batched matrix product with a turned constant of ${dims.length} axes`,
    (g) => g.op("BatchMatMulV2", [g.conv(), g.constant(dims)], { adj_x: { b: false }, adj_y: { b: true } }),
    5,
  ]),
  [
    "batched matrix product with a constant of four axes",
    (g) => g.op("BatchMatMulV2", [g.conv(), g.constant([1, 1, 4, 5])], { adj_x: { b: false }, adj_y: { b: false } }),
    5,
  ],
];

it.each([
  [[8, 5, 4], true],
  [[8, 4, 5], false],
] as const)("a product with a matrix for each row, %j, is refused by name", (dims, turned) => {
  const graph = new GraphModel();
  graph.op("BatchMatMulV2", [graph.conv(), graph.constant([...dims])], { adj_y: { b: turned } });
  const artifacts = graph.artifacts(5);
  const json = JSON.stringify({
    ...artifacts,
    weightData: undefined,
    weightsManifest: [{ paths: ["w.bin"], weights: artifacts.weightSpecs }],
  });
  expect(() => importTfjs(json, () => new Uint8Array(artifacts.weightData as ArrayBuffer))).toThrow(
    /^node "BatchMatMulV2_\d+" \(operator BatchMatMulV2\) cannot be explained: its weight \[8, 4, 5\] does not fit an input of dims \[N, 6, 8, 4\]$/,
  );
});

describe("a TensorFlow operation means what TensorFlow.js makes of it", () => {
  it.each(CASES)("%s", async (_name, write, channels, rank) => {
    const graph = new GraphModel();
    write(graph);
    const artifacts = graph.artifacts(channels, rank);
    const json = JSON.stringify({
      ...artifacts,
      weightData: undefined,
      weightsManifest: [{ paths: ["w.bin"], weights: artifacts.weightSpecs }],
    });
    const network = canonicalise(importTfjs(json, () => new Uint8Array(artifacts.weightData as ArrayBuffer)));
    const random = noise(3);
    const frames = [0, 1].map(() =>
      Float64Array.from({ length: HEIGHT * WIDTH * CHANNELS }, () => Math.fround(random())),
    );
    const explained = await explainFrames(network, frames, [1, HEIGHT, WIDTH, CHANNELS], {
      low: [-1],
      high: [1],
      channelAxis: 3,
    });
    const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    for (const [n, frame] of frames.entries()) {
      const expected = (
        model.execute(tf.tensor(Float32Array.from(frame), [1, HEIGHT, WIDTH, CHANNELS])) as tf.Tensor
      ).dataSync();
      expect(relativeError(explained[n]!.logits, expected)).toBeLessThan(2e-5);
      expect(explained[n]!.relevance.every(Number.isFinite)).toBe(true);
    }
    model.dispose();
  });
});
