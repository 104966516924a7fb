import { describe, expect, it } from "vitest";
import { runForward } from "./forward.js";
import { readOnnx } from "./onnx-reader.js";
import { type AttributeInput, buildModel, type NodeInput } from "./onnx-writer.js";
import { type TwinOptions, twin } from "./twin.js";

const expectMap = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((v, i) => {
    expect(actual[i]).toBeCloseTo(v, 12);
  });
};

/** Before a dense layer, a pool of single pixels: it changes nothing, but the layer is then not the one that reads the image. */
const hidesImage: NodeInput[] = [
  { op: "MaxPool", inputs: ["image"], outputs: ["pooled"], attributes: { kernel_shape: [1, 1] } },
  { op: "Flatten", inputs: ["pooled"], outputs: ["a"] },
];

/*
 * Two inputs, two neurons: a = (1, 2), w_11 = 1, w_12 = 2, w_21 = 1, w_22 = −1.5, b = (1, 0).
 * z_1 = 1·1 + 2·1 + 1 = 4, z_2 = 1·2 − 2·1.5 = −1. Class 0 is on top.
 * start: contrast of two classes: R_1 = +½ s(4) = ½, R_2 = −½ s(−1) = ½.
 */
const W = { dims: [2, 2], data: [1, 2, 1, -1.5] };
const B = { dims: [2], data: [1, 0] };
const denseNode = (input: string): NodeInput => ({ op: "Gemm", inputs: [input, "W", "B"], outputs: ["scores"] });
const hiddenDense = buildModel({
  inputs: [{ name: "image", dims: ["N", 1, 1, 2] }],
  nodes: [...hidesImage, denseNode("a")],
  initializers: { W, B },
  outputs: ["scores"],
});
const firstDense = buildModel({
  inputs: [{ name: "image", dims: ["N", 2] }],
  nodes: [denseNode("image")],
  initializers: { W, B },
  outputs: ["scores"],
});

describe("a dense layer of two neurons, by hand", () => {
  const explain = (options: TwinOptions) =>
    twin(hiddenDense, [1, 2], [1, 1, 1, 2], { method: "r-lrp", start: "contrast", ...options });

  it("has the scores 4 and −1", () => expectMap(explain({}).logits, [4, -1]));

  // mean|z| = 2.5, d = (6.5, −3.5). U_1 = 1·(1·½/6.5 − 2·½/3.5) = 1/13 − 2/7 = −19/91.
  // U_2 = 2·(1·½/6.5 + 1.5·½/3.5) = 2/13 + 3/7 = 53/91. ‖U‖ = 72/91.
  it("divides by |z| and the layer's mean |z| in r-lrp", () => expectMap(explain({}).relevance, [-19 / 72, 53 / 72]));

  // d = (1, −1). U_1 = ½ − 2·½ = −½. U_2 = 2·(½ + 1.5·½) = 2.5. ‖U‖ = 3.
  it("divides by the sign alone in r-lrp-constant", () =>
    expectMap(explain({ method: "r-lrp-constant" }).relevance, [-1 / 6, 5 / 6]));

  // d_1 = |1·1| + |2·1| = 3, d_2 = −(|1·2| + |2·1.5|) = −5.
  // U_1 = ½/3 − 2·½/5 = −1/30. U_2 = 2·(½/3 + 1.5·½/5) = 19/30. ‖U‖ = 20/30.
  it("divides by the sum of |a w| in r-lrp-absolute", () =>
    expectMap(explain({ method: "r-lrp-absolute" }).relevance, [-1 / 20, 19 / 20]));

  // mean|a| = 3/2, ‖w_1‖₁ = 2, ‖w_2‖₁ = 7/2, S = (3, 21/4), d = (7, −25/4).
  // U_1 = 1·(1·½/7 − 2·½/(25/4)) = 1/14 − 4/25 = −31/350. U_2 = 2·(1·½/7 + 1.5·½/(25/4)) = 1/7 + 6/25 = 67/175. ‖U‖ = 165/350.
  it("divides by |z| and by what the neuron could have had in r-lrp-local", () =>
    expectMap(explain({ method: "r-lrp-local" }).relevance, [-31 / 165, 134 / 165]));

  // p of (4, −1): the rival's is p = 1/(1 + e⁵), N = 1 + p. R = (s(4), −s(−1) p)/N = (1, p)/N, with r-lrp's d = (6.5, −3.5).
  // U_1·N = 1/6.5 − 2p/3.5, U_2·N = 2·(1/6.5 + 1.5p/3.5).
  it("starts at the class and against its rivals, each as strong as its probability", () => {
    const p = 1 / (1 + Math.exp(5));
    const u = [1 / 6.5 - (2 * p) / 3.5, 2 * (1 / 6.5 + (1.5 * p) / 3.5)] as const;
    const total = u[0] + u[1];
    expectMap(explain({ start: "rivals" }).relevance, [u[0] / total, u[1] / total]);
  });

  // R_2 = s(−1) = −1, d_2 = −3.5: R_2/d_2 > 0, so an input that raises the score has positive relevance though z_2 < 0.
  // U_1 = 1·2/3.5, U_2 = −2·1.5/3.5: 2 to −3.
  it("keeps positive relevance meaning that the score rises, for a negative score too", () =>
    expectMap(explain({ start: "one-hot", target: 1 }).relevance, [2 / 5, -3 / 5]));
});

describe("the layer that reads the image, by hand", () => {
  const explain = (options: TwinOptions) =>
    twin(firstDense, [1, 2], [1, 2], {
      ...{ method: "r-lrp", start: "contrast", low: [-1, -1], high: [3, 3] },
      ...options,
    }).relevance;

  // Q = (s(4)·½, s(−1)·½) = (½, −½), l = −1, h = 3.
  // U_1 = x·(½ − 1) − l·(½ − 1) − h·0 = −½ − ½ = −1.
  // U_2 = x·(½ + ¾) − l·½ − h·¾ = 2.5 + 0.5 − 2.25 = ¾.
  it("measures a pixel against its bounds in bounded", () => expectMap(explain({}), [-4 / 7, 3 / 7]));

  // How far each neuron is from its least: (1+1)·1 + (2+1)·1 = 5 and (1+1)·2 + (2−3)·(−1.5) = 5.5. Q = (1/10, −1/11).
  // U_1 = x·(1/10 − 2/11) − l·(1/10 − 2/11) = 2·(−9/110). U_2 = x·(1/10 + 1.5/11) − l/10 − h·1.5/11 = 3/10 − 1.5/11.
  it("divides by the distance from the least that the bounds allow in box", () =>
    expectMap(explain({ inputRule: "box" }), [-18 / 36, 18 / 36]));

  it("does not depend on the method", () =>
    expectMap(explain({ method: "r-lrp-absolute" }), [...explain({ method: "r-lrp-constant" })]));

  // U_1 = 1·(½ − 1) = −½, U_2 = 2·(½ + ¾) = 2.5.
  it("takes x·(wᵀQ) in contribution", () => expectMap(explain({ inputRule: "contribution" }), [-1 / 6, 5 / 6]));

  // U_i = R_1 + R_2 = 1 for both; R, not Q: with Q it would be 0.
  it("spreads R evenly in flat", () => expectMap(explain({ inputRule: "flat" }), [1 / 2, 1 / 2]));
});

describe("layers without weights, by hand", () => {
  const skip = buildModel({
    inputs: [{ name: "image", dims: ["N", 1, 1, 2] }],
    nodes: [
      ...hidesImage,
      { op: "MatMul", inputs: ["a", "W"], outputs: ["v"] },
      { op: "Add", inputs: ["a", "v"], outputs: ["scores"] },
    ],
    initializers: { W: { dims: [2, 2], data: [-3, 0, 0, 1] } },
    outputs: ["scores"],
  });

  /*
   * u = a = (1, 2) and v = a·diag(−3, 1) = (−3, 2), z = u + v = (−2, 4), target 1, contrast:
   * R = (−½ s(−2), ½ s(4)) = (½, ½). Σ|u_m| = (4, 4).
   * to u: (½·(−1)·1/4, ½·2/4) = (−1/8, 1/4); to v: (½·(−1)·(−3)/4, ½·2/4) = (3/8, 1/4).
   * through the dense layer: mean|v| = 2.5, d = (−5.5, 4.5), U = (1·(−3)·⅜/−5.5, 2·1·¼/4.5) = (9/44, 1/9),
   * ‖U‖ = 125/396, times (5/8)/(125/396) = 1.98: (0.405, 0.22). Sum: (0.28, 0.47).
   */
  it("splits relevance at a skip connection by signed share", () => {
    const result = twin(skip, [1, 2], [1, 1, 1, 2], { method: "r-lrp", start: "contrast", target: 1 });
    expectMap(result.logits, [-2, 4]);
    expectMap(result.relevance, [28 / 75, 47 / 75]);
    expect(result.l1).toBeCloseTo(0.75, 12);
  });

  /*
   * The same with r-lrp-local: of z_1 = −2 only v pulls that way, of z_2 = 4 both pull alike: to u (0, ¼), to v (½, ¼).
   * Through the dense layer: mean|a| = 3/2, S = (9/2, 3/2), d = (−15/2, 7/2), U = (1·(−3)·½/(−15/2), 2·1·¼/(7/2)) = (1/5, 1/7),
   * ‖U‖ = 12/35, times ¾/(12/35) = 35/16: (7/16, 5/16). Sum: (7/16, 9/16).
   */
  it("gives nothing at a skip connection to a branch that pulls the other way in r-lrp-local", () => {
    const options: TwinOptions = { method: "r-lrp-local", start: "contrast", target: 1 };
    expectMap(twin(skip, [1, 2], [1, 1, 1, 2], options).relevance, [7 / 16, 9 / 16]);
  });

  /*
   * 1  2 −3    windows {1 2 −2 0} and {2 −3 0 −1}; squares of what is positive: 1 and 4 of 5, then 4 of 4. Target 0, contrast: R = (½, −½),
   * −2 0 −1    to 1: ½/5 = 1/10; to 2: ½·4/5 − ½ = −1/10. Of a window without any, {−3 −1}, the largest takes all.
   */
  it("shares by squares in a max pool in r-lrp-local, and to the winner where nothing is positive", () => {
    const model = (width: number) =>
      buildModel({
        inputs: [{ name: "image", dims: ["N", 1, 2, width] }],
        nodes: [
          { op: "MaxPool", inputs: ["image"], outputs: ["pooled"], attributes: { kernel_shape: [2, 2] } },
          { op: "Flatten", inputs: ["pooled"], outputs: ["scores"] },
        ],
        outputs: ["scores"],
      });
    const options: TwinOptions = { method: "r-lrp-local", start: "contrast" };
    const shared = twin(model(3), [1, 2, -3, -2, 0, -1], [1, 1, 2, 3], { ...options, target: 0 });
    expectMap(shared.relevance, [1 / 2, -1 / 2, 0, 0, 0, 0]);
    const won = twin(model(2), [-3, -2, -1, -4], [1, 1, 2, 2], { ...options, start: "one-hot" });
    expectMap(won.relevance, [0, 0, -1, 0]);
  });

  /*
   * 1 5 5    windows {1 5 2 5} and {5 5 5 0}, both 5: two winners, then three. Target 0, contrast: R = (½, −½).
   * 2 5 0    both 5s of the middle column: ½/2 − ½/3 = 1/12; the right one: −½/3 = −1/6. ‖R‖ = 1/3.
   */
  it("shares among tied winners of a max pool, and adds where windows overlap", () => {
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 1, 2, 3] }],
      nodes: [
        { op: "MaxPool", inputs: ["image"], outputs: ["pooled"], attributes: { kernel_shape: [2, 2] } },
        { op: "Flatten", inputs: ["pooled"], outputs: ["scores"] },
      ],
      outputs: ["scores"],
    });
    const result = twin(model, [1, 5, 5, 2, 5, 0], [1, 1, 2, 3], { method: "r-lrp", start: "contrast" });
    expectMap(result.relevance, [0, 1 / 4, -1 / 2, 0, 1 / 4, 0]);
    expect(result.l1).toBeCloseTo(1 / 3, 12);
  });
});

/** An image of 2 × 5 × 5, a convolution that reads it, `middle` from "h" to "y", a convolution and a head of 3 classes. */
function between(middle: NodeInput[], extra: Record<string, { dims: number[]; data: number[] }> = {}) {
  const wave = (n: number, step: number): number[] => Array.from({ length: n }, (_, k) => Math.sin(1 + k * step));
  return buildModel({
    inputs: [{ name: "image", dims: ["N", 2, 5, 5] }],
    nodes: [
      { op: "Conv", inputs: ["image", "w0", "b0"], outputs: ["h"] },
      ...middle,
      { op: "Conv", inputs: ["y", "w1"], outputs: ["k"], attributes: { pads: [1, 1, 1, 1] } },
      { op: "Relu", inputs: ["k"], outputs: ["relu"] },
      { op: "GlobalAveragePool", inputs: ["relu"], outputs: ["mean"] },
      { op: "Flatten", inputs: ["mean"], outputs: ["flat"] },
      { op: "Gemm", inputs: ["flat", "w2"], outputs: ["scores"] },
    ],
    initializers: {
      w0: { dims: [3, 2, 3, 3], data: wave(54, 1.7), type: "float64" },
      b0: { dims: [3], data: wave(3, 2.1), type: "float64" },
      w1: { dims: [4, 3, 3, 3], data: wave(108, 2.3), type: "float64" },
      w2: { dims: [4, 3], data: wave(12, 0.9), type: "float64" },
      ...Object.fromEntries(Object.entries(extra).map(([name, v]) => [name, { ...v, type: "float64" as const }])),
    },
    outputs: ["scores"],
  });
}

const image = Array.from({ length: 50 }, (_, k) => Math.cos(k * k));
const mapOf = (model: Uint8Array, options: TwinOptions = {}) =>
  twin(model, image, [1, 2, 5, 5], { low: [-1], high: [1], ...options });
const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes?: Record<string, AttributeInput>,
): NodeInput => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});
const scalar = (value: number) => ({ dims: [], data: [value] });

describe("functions spelled out of several nodes give the map of the single one", () => {
  it.each<[string, NodeInput[], NodeInput[], Record<string, { dims: number[]; data: number[] }>]>([
    [
      "silu",
      [node("Swish", ["h"], "y", { alpha: 1 })],
      [node("Sigmoid", ["h"], "g"), node("Mul", ["h", "g"], "y")],
      {},
    ],
    [
      "gelu by tanh",
      [node("Gelu", ["h"], "y", { approximate: "tanh" })],
      [
        node("Pow", ["h", "three"], "p"),
        node("Mul", ["p", "c"], "q"),
        node("Add", ["h", "q"], "r"),
        node("Mul", ["r", "root"], "t"),
        node("Tanh", ["t"], "u"),
        node("Add", ["u", "one"], "v"),
        node("Mul", ["h", "half"], "w"),
        node("Mul", ["w", "v"], "y"),
      ],
      {
        three: scalar(3),
        c: scalar(0.044715),
        root: scalar(Math.sqrt(2 / Math.PI)),
        one: scalar(1),
        half: scalar(0.5),
      },
    ],
    [
      "hard-swish",
      [node("HardSwish", ["h"], "y")],
      [
        node("Add", ["h", "three"], "p"),
        node("Clip", ["p", "zero", "six"], "q"),
        node("Mul", ["h", "q"], "r"),
        node("Div", ["r", "six"], "y"),
      ],
      { zero: scalar(0), three: scalar(3), six: scalar(6) },
    ],
  ])("%s", (_name, single, spelled, constants) => {
    const expected = mapOf(between(single, constants));
    const actual = mapOf(between(spelled, constants));
    expectMap(actual.logits, [...expected.logits]);
    expectMap(actual.relevance, [...expected.relevance]);
  });
});

describe("constants after a linear layer", () => {
  const gamma = [0.5, -2, 1.5];
  const beta = [1, 0.25, -0.5];
  const constants = {
    gamma: { dims: [3, 1, 1], data: gamma },
    beta: { dims: [1, 3, 1, 1], data: beta },
    g: { dims: [3], data: gamma },
    b: { dims: [3], data: beta },
    zero: { dims: [3], data: [0, 0, 0] },
    variance: { dims: [3], data: [1, 1, 1] },
  };
  const asArithmetic = [node("Mul", ["h", "gamma"], "m"), node("Add", ["m", "beta"], "n"), node("Relu", ["n"], "y")];
  const asNorm = [
    node("BatchNormalization", ["h", "g", "b", "zero", "variance"], "n", { epsilon: 0 }),
    node("Relu", ["n"], "y"),
  ];

  it("fold alike from a batch norm and from a product and a sum", () => {
    const expected = mapOf(between(asNorm, constants), { method: "r-lrp-absolute" });
    const actual = mapOf(between(asArithmetic, constants), { method: "r-lrp-absolute" });
    expectMap(actual.relevance, [...expected.relevance]);
  });

  it("fold into the same map as weights that were folded by hand", () => {
    // w'_oc = γ_o w_oc, b'_o = γ_o b_o + β_o: here as a 1 × 1 convolution behind another one, then by hand.
    const w = [1, -1, 0.5, 2, 0.3, -0.7, -1, 1, 1];
    const conv = { w: { dims: [3, 3, 1, 1], data: w } };
    const folded = {
      w: { dims: [3, 3, 1, 1], data: w.map((v, k) => v * gamma[Math.floor(k / 3)]!) },
      b: constants.b,
    };
    const left = between(
      [node("Relu", ["h"], "r"), node("Conv", ["r", "w"], "c"), node("Mul", ["c", "gamma"], "m"), ...tail("m")],
      { ...conv, ...constants },
    );
    const right = between(
      [node("Relu", ["h"], "r"), node("Conv", ["r", "w", "b"], "n"), node("Relu", ["n"], "y")],
      folded,
    );
    expectMap(mapOf(left).relevance, [...mapOf(right).relevance]);

    function tail(from: string): NodeInput[] {
      return [node("Add", [from, "beta"], "n"), node("Relu", ["n"], "y")];
    }
  });

  /*
   * The two neurons from above, scores 4 and −1, times γ = (2, −3): 8 and 3. Target 0, contrast: R = (½, −½).
   * Folded: w' = (2, −6; 2, 4.5), mean|z'| = 5.5, d = (13.5, 8.5).
   * U_1 = 2·½/13.5 + 6·½/8.5 = 196/459, U_2 = 2·(2·½/13.5 − 4.5·½/8.5) = −175/459.
   * Apart, because something else reads z = (4, −1) too: R_2 = −½·s(−1)·s(3)·s(−3) = −½, d = (6.5, −3.5).
   * U_1 = ½/6.5 + 2·½/3.5 = 33/91, U_2 = 2·(½/6.5 − 1.5·½/3.5) = −25/91.
   */
  const scaled = (output: string): NodeInput => node("Mul", ["z", "gamma"], output);
  /** A gate of z that is open: it changes nothing, but reads z. */
  const openGate: NodeInput[] = [
    scaled("m"),
    node("MatMul", ["z", "W"], "v"),
    node("HardSigmoid", ["v"], "gate", { alpha: { float: 0 }, beta: { float: 1 } }),
    node("Mul", ["m", "gate"], "scores"),
  ];
  it.each([
    ["fold where they are the layer's only reader", [scaled("scores")], ["scores"], [28 / 53, -25 / 53]],
    ["fold where the layer's other reader takes no part in the scores", openGate, ["m"], [28 / 53, -25 / 53]],
    ["fold where the layer is an output of the file too", [scaled("scores")], ["scores", "z"], [28 / 53, -25 / 53]],
    ["keep their own rule where the layer has another reader", openGate, ["scores"], [33 / 58, -25 / 58]],
  ])("%s", (_name, nodes, outputs, expected) => {
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 1, 1, 2] }],
      nodes: [...hidesImage, { ...denseNode("a"), outputs: ["z"] }, ...nodes],
      initializers: { W, B, gamma: { dims: [2], data: [2, -3] } },
      outputs,
    });
    const result = twin(model, [1, 2], [1, 1, 1, 2], { method: "r-lrp", start: "contrast" });
    expectMap(result.logits, [8, 3]);
    expectMap(result.relevance, expected);
  });
});

it("a shape that is computed in the graph changes nothing, with bounds from the image too", () => {
  const computed = [node("Shape", ["h"], "shape"), node("Reshape", ["h", "shape"], "r"), node("Relu", ["r"], "y")];
  expectMap(mapOf(between(computed)).relevance, [...mapOf(between([node("Relu", ["h"], "y")])).relevance]);
});

describe("a gate", () => {
  const weights = { v: { dims: [3, 3, 1, 1], data: [1, 0.2, -0.4, 0.6, -1, 0.1, 0.5, 0.5, 0.5] } };
  const squeeze = [node("Relu", ["h"], "r"), node("GlobalAveragePool", ["r"], "p"), node("Conv", ["p", "v"], "q")];

  it("passes all relevance to the signal, as a constant of the same value would", () => {
    const gated = between([...squeeze, node("Sigmoid", ["q"], "g"), node("Mul", ["g", "r"], "y")], weights);
    const { dims, data } = runForward(readOnnx(gated), {
      dims: [1, 2, 5, 5],
      data: Float64Array.from(image),
    }).values.get("g")!;
    const constant = between([node("Relu", ["h"], "r"), node("Mul", ["r", "g"], "y")], {
      g: { dims, data: [...data] },
    });
    expectMap(mapOf(gated).relevance, [...mapOf(constant).relevance]);
  });

  it("may be a hard sigmoid spelled out", () => {
    const constants = {
      ...weights,
      zero: scalar(0),
      one: scalar(1),
      three: scalar(3),
      six: scalar(6),
      sixth: scalar(1 / 6),
    };
    const single = [
      ...squeeze,
      node("HardSigmoid", ["q"], "g", { alpha: 1 / 6, beta: 0.5 }),
      node("Mul", ["g", "r"], "y"),
    ];
    const spelled = [
      ...squeeze,
      node("Add", ["q", "three"], "q3"),
      node("Clip", ["q3", "zero", "six"], "q6"),
      node("Mul", ["q6", "sixth"], "g"),
      node("Mul", ["r", "g"], "y"),
    ];
    const expected = mapOf(between(single, constants)).relevance;
    // The attributes alpha and beta are float32 in the file.
    mapOf(between(spelled, constants)).relevance.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 6);
    });
  });
});

describe("what has no rule is refused by name", () => {
  it.each([
    ["a softmax in the middle", [node("Softmax", ["h"], "y", { axis: 1 })], "Softmax"],
    ["a square root", [node("Abs", ["h"], "a"), node("Sqrt", ["a"], "y")], "Sqrt"],
  ])("%s", (_name, middle, operator) => {
    expect(() => mapOf(between(middle))).toThrow(`node "y": no relevance rule for operator ${operator}`);
  });
});
