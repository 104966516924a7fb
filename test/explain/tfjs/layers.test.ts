import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { saved } from "./saved.js";

beforeAll(() => tf.setBackend("cpu"));

type Chain = tf.SymbolicTensor;
const HEIGHT = 7;
const WIDTH = 6;

/** Random weights instead of zeros and ones; variances stay positive. */
function shuffleWeights(model: tf.LayersModel, seed: number): void {
  const random = noise(seed);
  const names = model.weights.map((w) => w.originalName);
  model.setWeights(
    model.getWeights().map((w, k) => {
      const positive = names[k]!.includes("variance");
      const data = Float32Array.from({ length: w.size }, () => (positive ? 0.5 + Math.abs(random()) : 0.6 * random()));
      return tf.tensor(data, w.shape);
    }),
  );
}

/** What the importer makes of a model with random weights, on two random pictures. */
async function explained(model: tf.LayersModel, seed: number) {
  shuffleWeights(model, seed);
  const { json, shard } = await saved(model);
  const network = canonicalise(importTfjs(json, () => shard));
  const random = noise(seed + 1);
  const frames = [0, 1].map(() => Float64Array.from({ length: HEIGHT * WIDTH * 3 }, () => Math.fround(random())));
  const options = { low: [-1], high: [1], channelAxis: 3 };
  return { frames, results: await explainFrames(network, frames, [1, HEIGHT, WIDTH, 3], options) };
}

/** The importer's scores beside TensorFlow.js' own. */
async function expectSameScores(model: tf.LayersModel, seed: number): Promise<void> {
  const { frames, results } = await explained(model, seed);
  const input = tf.tensor(Float32Array.from(frames.flatMap((f) => [...f])), [2, HEIGHT, WIDTH, 3]);
  const expected = (model.predict(input) as tf.Tensor).dataSync();
  const size = expected.length / 2;
  results.forEach(({ logits, relevance }, n) => {
    expect(relativeError(logits, expected.slice(n * size, (n + 1) * size))).toBeLessThan(2e-5);
    expect(relevance.every(Number.isFinite)).toBe(true);
  });
}

/** A picture, some layers, and a head of three scores. */
function network(layers: (x: Chain) => Chain): tf.LayersModel {
  const input = tf.input({ shape: [HEIGHT, WIDTH, 3] });
  const x = layers(input);
  const flat = x.shape.length > 2 ? (tf.layers.flatten().apply(x) as Chain) : x;
  return tf.model({ inputs: input, outputs: tf.layers.dense({ units: 3 }).apply(flat) as Chain });
}
const L = tf.layers;
const apply = (layer: tf.layers.Layer, x: Chain | Chain[]): Chain => layer.apply(x) as Chain;
const conv = (x: Chain, filters = 4): Chain => apply(L.conv2d({ filters, kernelSize: 3, padding: "same" }), x);

const CASES: [string, (x: Chain) => Chain][] = [
  ["convolution, valid, of strides", (x) => apply(L.conv2d({ filters: 4, kernelSize: [3, 2], strides: [2, 1] }), x)],
  [
    "convolution, same, of strides",
    (x) => apply(L.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same" }), x),
  ],
  ["convolution, dilated", (x) => apply(L.conv2d({ filters: 2, kernelSize: 3, dilationRate: 2 }), x)],
  ["convolution without bias", (x) => apply(L.conv2d({ filters: 2, kernelSize: 1, useBias: false }), x)],
  ["depthwise convolution", (x) => apply(L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: "same" }), x)],
  [
    "separable convolution",
    (x) => apply(L.separableConv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same" }), x),
  ],
  [
    "transposed convolution, same",
    (x) => apply(L.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: "same" }), x),
  ],
  ["transposed convolution, valid", (x) => apply(L.conv2dTranspose({ filters: 2, kernelSize: [3, 2], strides: 2 }), x)],
  [
    "transposed convolution of a kernel shorter than its stride",
    (x) => apply(L.conv2dTranspose({ filters: 2, kernelSize: 1, strides: 2 }), x),
  ],
  ["batch norm", (x) => apply(L.batchNormalization({}), conv(x))],
  [
    "batch norm without scale, with an epsilon",
    (x) => apply(L.batchNormalization({ scale: false, epsilon: 0.1 }), conv(x)),
  ],
  ["batch norm without center before a convolution", (x) => conv(apply(L.batchNormalization({ center: false }), x))],
  [
    "batch norm after a dense layer",
    (x) => apply(L.batchNormalization({}), apply(L.dense({ units: 5 }), apply(L.flatten(), x))),
  ],
  ["layer norm", (x) => apply(L.layerNormalization({ axis: -1 }), conv(x))],
  ["max pool, same", (x) => apply(L.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }), x)],
  ["average pool, same", (x) => apply(L.averagePooling2d({ poolSize: [3, 2], strides: 2, padding: "same" }), x)],
  ["average pool, valid", (x) => apply(L.averagePooling2d({ poolSize: 2 }), x)],
  ["global average pool", (x) => apply(L.globalAveragePooling2d({}), conv(x))],
  ["global max pool", (x) => apply(L.globalMaxPooling2d({}), conv(x))],
  [
    "zero padding",
    (x) =>
      conv(
        apply(
          L.zeroPadding2d({
            padding: [
              [1, 0],
              [2, 1],
            ],
          }),
          x,
        ),
      ),
  ],
  [
    "cropping",
    (x) =>
      apply(
        L.cropping2D({
          cropping: [
            [1, 2],
            [0, 1],
          ],
        }),
        conv(x),
      ),
  ],
  ["upsampling, nearest", (x) => apply(L.upSampling2d({ size: [2, 3] }), conv(x, 2))],
  ["permutation", (x) => apply(L.permute({ dims: [3, 1, 2] }), conv(x))],
  ["reshape", (x) => apply(L.reshape({ targetShape: [WIDTH, HEIGHT * 4] }), conv(x))],
  ["dropout", (x) => apply(L.dropout({ rate: 0.5 }), conv(x))],
  ["gaussian noise", (x) => apply(L.gaussianNoise({ stddev: 1 }), conv(x))],
  ["skip connection of three", (x) => apply(L.add(), [conv(x), conv(x), conv(x)])],
  ["average of two", (x) => apply(L.average(), [conv(x), conv(x)])],
  ["concatenation", (x) => apply(L.concatenate({ axis: -1 }), [conv(x, 2), conv(x, 3)])],
  ["gate", (x) => apply(L.multiply(), [conv(x), apply(L.activation({ activation: "sigmoid" }), conv(x))])],
  ["relu with a ceiling", (x) => apply(L.reLU({ maxValue: 0.3 }), conv(x))],
  ["leaky relu", (x) => apply(L.leakyReLU({ alpha: 0.2 }), conv(x))],
  ["elu", (x) => apply(L.elu({}), conv(x))],
  ["thresholded relu", (x) => apply(L.thresholdedReLU({ theta: 0.2 }), conv(x))],
  ["prelu", (x) => apply(L.prelu({ sharedAxes: [1, 2] }), conv(x))],
  ["prelu of every element", (x) => apply(L.prelu({}), conv(x))],
  ["dense layer on a picture", (x) => apply(L.dense({ units: 4, activation: "tanh" }), conv(x))],
  [
    "a layer used twice",
    (x) => {
      const shared = L.conv2d({ filters: 3, kernelSize: 3, padding: "same", activation: "relu" });
      return apply(shared, apply(shared, x));
    },
  ],
  [
    "a model in a model",
    (x) => {
      const inner = tf.input({ shape: [HEIGHT, WIDTH, 3] });
      const model = tf.model({ inputs: inner, outputs: apply(L.activation({ activation: "relu" }), conv(inner)) });
      return conv(model.apply(x) as Chain);
    },
  ],
  [
    "a model in a model, used twice",
    (x) => {
      const inner = tf.input({ shape: [HEIGHT, WIDTH, 3] });
      const model = tf.model({ inputs: inner, outputs: apply(L.activation({ activation: "relu" }), conv(inner, 3)) });
      return conv(model.apply(conv(model.apply(x) as Chain, 3)) as Chain);
    },
  ],
  [
    "a sequence in a model",
    (x) => {
      const inner = tf.sequential({
        layers: [L.conv2d({ filters: 4, kernelSize: 2, inputShape: [HEIGHT, WIDTH, 3] }), L.reLU()],
      });
      return conv(inner.apply(x) as Chain);
    },
  ],
];

/** Layers whose channels come first; the picture's height is then its number of channels. */
const first = { dataFormat: "channelsFirst" as const };
const convFirst = (x: Chain): Chain => apply(L.conv2d({ ...first, filters: 4, kernelSize: 3, padding: "same" }), x);
const CHANNELS_FIRST: [string, (x: Chain) => Chain][] = [
  [
    "convolution of strides",
    (x) => apply(L.conv2d({ ...first, filters: 4, kernelSize: [3, 2], strides: 2, padding: "same" }), x),
  ],
  [
    "depthwise convolution",
    (x) => apply(L.depthwiseConv2d({ ...first, kernelSize: 3, depthMultiplier: 2, padding: "same" }), x),
  ],
  // TensorFlow.js adds its bias along the wrong axis, and so fails.
  [
    "separable convolution without bias",
    (x) => apply(L.separableConv2d({ ...first, filters: 4, kernelSize: 2, useBias: false }), x),
  ],
  [
    "transposed convolution",
    (x) => apply(L.conv2dTranspose({ ...first, filters: 2, kernelSize: 3, strides: 2, padding: "same" }), x),
  ],
  ["max pool", (x) => apply(L.maxPooling2d({ ...first, poolSize: 2, padding: "same" }), convFirst(x))],
  ["average pool", (x) => apply(L.averagePooling2d({ ...first, poolSize: [3, 2], strides: 1 }), convFirst(x))],
  ["global average pool", (x) => apply(L.globalAveragePooling2d(first), convFirst(x))],
  ["global max pool", (x) => apply(L.globalMaxPooling2d(first), convFirst(x))],
  [
    "zero padding",
    (x) =>
      convFirst(
        apply(
          L.zeroPadding2d({
            ...first,
            padding: [
              [1, 0],
              [2, 1],
            ],
          }),
          x,
        ),
      ),
  ],
  [
    "cropping",
    (x) =>
      apply(
        L.cropping2D({
          ...first,
          cropping: [
            [1, 2],
            [0, 1],
          ],
        }),
        convFirst(x),
      ),
  ],
  ["upsampling", (x) => apply(L.upSampling2d({ ...first, size: [2, 3] }), convFirst(x))],
  ["flattening", (x) => apply(L.flatten(first), convFirst(x))],
  ["concatenation along axis 1", (x) => apply(L.concatenate({ axis: 1 }), [convFirst(x), convFirst(x)])],
];

describe("a Keras layer of channels first means what TensorFlow.js makes of it", () => {
  it.each(CHANNELS_FIRST)("%s", async (_name, layers) => {
    await expectSameScores(network(layers), 5);
  });

  it("batch norm along axis 1, which its processor backend takes for the last, is that of the turned picture", async () => {
    const turned = network((x) => {
      const last = apply(L.permute({ dims: [2, 3, 1] }), convFirst(x));
      return apply(L.permute({ dims: [3, 1, 2] }), apply(L.batchNormalization({ axis: -1 }), last));
    });
    await expectSameScores(turned, 5);
    const expected = (await explained(turned, 5)).results;
    const { results } = await explained(
      network((x) => apply(L.batchNormalization({ axis: 1 }), convFirst(x))),
      5,
    );
    results.forEach(({ logits }, n) => {
      expect(relativeError(logits, expected[n]!.logits)).toBeLessThan(2e-5);
    });
  });
});

describe("a Keras layer means what TensorFlow.js makes of it", () => {
  it.each(CASES)("%s", async (_name, layers) => {
    await expectSameScores(network(layers), 5);
  });

  const ACTIVATIONS = [
    "elu",
    "hardSigmoid",
    "linear",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
    "tanh",
    "swish",
    "mish",
    "gelu",
  ] as const;
  it.each(ACTIVATIONS)("activation %s", async (activation) => {
    await expectSameScores(
      network((x) => apply(L.conv2d({ filters: 4, kernelSize: 3, activation: activation as "relu" }), x)),
      9,
    );
  });

  it("in sequential models", async () => {
    const model = tf.sequential({
      layers: [
        L.conv2d({ filters: 4, kernelSize: 3, activation: "relu", inputShape: [HEIGHT, WIDTH, 3] }),
        L.maxPooling2d({ poolSize: 2 }),
        L.flatten(),
        L.dense({ units: 3 }),
      ],
    });
    await expectSameScores(model, 3);
  });

  it("in windows of any geometry", async () => {
    const geometry = fc.record({
      kind: fc.constantFrom("conv2d", "depthwiseConv2d", "maxPooling2d", "averagePooling2d"),
      size: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      strides: fc.integer({ min: 1, max: 3 }),
      padding: fc.constantFrom("same", "valid"),
      seed: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(geometry, async ({ kind, size, strides, padding, seed }) => {
        const common = { strides: [strides, strides] as [number, number], padding: padding as "same" };
        const layer =
          kind === "conv2d"
            ? L.conv2d({ ...common, filters: 3, kernelSize: size })
            : kind === "depthwiseConv2d"
              ? L.depthwiseConv2d({ ...common, kernelSize: size })
              : kind === "maxPooling2d"
                ? L.maxPooling2d({ ...common, poolSize: size })
                : L.averagePooling2d({ ...common, poolSize: size });
        await expectSameScores(
          network((x) => apply(layer, x)),
          seed,
        );
      }),
      { numRuns: 40 },
    );
  });
});

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const relu6 = (x: number): number => Math.min(Math.max(x, 0), 6);
/** erf by its series, for numbers that are small. */
const erf = (x: number): number => {
  let [sum, term] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
/** As keras.activations defines them; the second is Keras 2, where it differs. */
const DEFINITIONS: [string, (x: number) => number, ((x: number) => number)?][] = [
  ["linear", (x) => x],
  ["relu", (x) => Math.max(x, 0)],
  ["relu6", relu6],
  ["leaky_relu", (x) => (x < 0 ? 0.2 * x : x)],
  ["elu", (x) => (x < 0 ? Math.expm1(x) : x)],
  ["selu", (x) => 1.05070098 * (x < 0 ? 1.67326324 * Math.expm1(x) : x)],
  ["celu", (x) => Math.max(x, 0) + Math.min(0, Math.expm1(x))],
  ["sigmoid", sigmoid],
  ["hard_sigmoid", (x) => relu6(x + 3) / 6, (x) => Math.min(Math.max(0.2 * x + 0.5, 0), 1)],
  ["tanh", Math.tanh],
  ["hard_tanh", (x) => Math.min(Math.max(x, -1), 1)],
  ["softplus", (x) => Math.log1p(Math.exp(x))],
  ["softsign", (x) => x / (1 + Math.abs(x))],
  ["exponential", Math.exp],
  ["swish", (x) => x * sigmoid(x)],
  ["silu", (x) => x * sigmoid(x)],
  ["hard_swish", (x) => (x * relu6(x + 3)) / 6],
  ["hard_silu", (x) => (x * relu6(x + 3)) / 6],
  ["mish", (x) => x * Math.tanh(Math.log1p(Math.exp(x)))],
  ["gelu", (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
];

/** A picture of two by two, an activation and a dense layer that hands it through. */
function activatedBy(activation: unknown, version: string) {
  const layers = [
    { class_name: "InputLayer", config: { name: "picture", batch_shape: [null, 2, 2, 1] } },
    { class_name: "Activation", config: { name: "activation", activation } },
    { class_name: "Flatten", config: { name: "flatten" } },
    { class_name: "Dense", config: { name: "dense", activation: "linear", use_bias: false } },
  ];
  const json = JSON.stringify({
    modelTopology: { keras_version: version, model_config: { class_name: "Sequential", config: { layers } } },
    weightsManifest: [{ paths: ["w"], weights: [{ name: "dense/kernel", shape: [4, 4], dtype: "float32" }] }],
  });
  const kernel = Float32Array.from({ length: 16 }, (_, k) => (k % 5 === 0 ? 1 : 0));
  return canonicalise(importTfjs(json, () => new Uint8Array(kernel.buffer)));
}

describe("an activation by its Keras name is what Keras defines", () => {
  const pictures = [
    [-3.5, -2.6, -1, 0],
    [0.4, 1.3, 2.7, 3.5],
  ];
  it.each(DEFINITIONS)("%s", async (name, newer, older = newer) => {
    const serialised = { module: "builtins", class_name: "function", config: name, registered_name: "function" };
    for (const [given, version, f] of [
      [name, "3.5.0", newer],
      [serialised, "3.5.0", newer],
      [name, "2.15.0", older],
    ] as const) {
      const options = { low: [-1], high: [1], channelAxis: 3 };
      const explained = await explainFrames(activatedBy(given, version), pictures, [1, 2, 2, 1], options);
      explained.forEach(({ logits }, n) => {
        expect(relativeError(logits, pictures[n]!.map(f)), `${version} picture ${n}`).toBeLessThan(1e-5);
      });
    }
  });

  it.each([
    "glu",
    "log_sigmoid",
    "squareplus",
    "sparse_plus",
    "soft_shrink",
    "hard_shrink",
    "tanh_shrink",
    "threshold",
  ])("%s is refused by name", (name) => {
    expect(() => activatedBy(name, "3.5.0")).toThrow(
      `node "activation" (operator Activation) cannot be explained: its activation "${name}" is not known`,
    );
  });

  it("log_softmax is refused where it does not end the network", () => {
    expect(() => activatedBy("log_softmax", "3.5.0")).toThrow(
      "a log-softmax can only stand at the end of a classifier",
    );
  });
});

/** `3 − 2 · (x + 1)` as Keras 3 writes operators between a picture's convolution and a dense layer. */
const KERAS_3 = (() => {
  const tensor = (name: string) => ({
    class_name: "__keras_tensor__",
    config: { shape: [null, 2, 2, 1], dtype: "float32", keras_history: [name, 0, 0] },
  });
  const layer = (class_name: string, name: string, config: object, args: unknown[]) => ({
    class_name,
    name,
    config: { name, ...config },
    inbound_nodes: args.length > 0 ? [{ args, kwargs: {} }] : [],
  });
  return {
    keras_version: "3.5.0",
    model_config: {
      class_name: "Functional",
      config: {
        layers: [
          layer("InputLayer", "picture", { batch_shape: [null, 2, 2, 1] }, []),
          layer("Add", "add", {}, [tensor("picture"), 1]),
          layer("Multiply", "multiply", {}, [2, tensor("add")]),
          layer("Subtract", "subtract", {}, [3, tensor("multiply")]),
          layer("Flatten", "flatten", {}, [tensor("subtract")]),
          layer("Dense", "dense", { activation: "linear", use_bias: false }, [tensor("flatten")]),
        ],
        input_layers: ["picture", 0, 0],
        output_layers: ["dense", 0, 0],
      },
    },
  };
})();

it("numbers among the operands of a Keras 3 operator are read, in order", async () => {
  const json = JSON.stringify({
    modelTopology: KERAS_3,
    weightsManifest: [{ paths: ["w"], weights: [{ name: "dense/kernel", shape: [4, 2], dtype: "float32" }] }],
  });
  const kernel = new Uint8Array(new Float32Array([1, 0, 0, 1, 0, 0, 0, 2]).buffer);
  const [explained] = await explainFrames(canonicalise(importTfjs(json, () => kernel)), [[1, 2, 3, 4]], [1, 2, 2, 1], {
    low: [0],
    high: [1],
    channelAxis: 3,
  });
  // 3 − 2 · (1 + 1) = −1; 3 − 2 · (2 + 1) + 2 · (3 − 2 · (4 + 1)) = −17.
  expect([...explained!.logits]).toEqual([-1, -17]);
});
