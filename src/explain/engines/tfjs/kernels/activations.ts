import type { Tensor } from "@tensorflow/tfjs-core";
import { aligned, type Call, type Kernel, type Kernels } from "../kernel.js";
import { select, tf } from "../tensorflow.js";

/** Activations, by ONNX' formulas and defaults. */
const unary =
  (fn: (x: Tensor, call: Call) => Tensor): Kernel =>
  (call) => {
    const { tensors, wrap } = aligned([call.at(0)]);
    return wrap(fn(tensors[0]!, call));
  };
const number = (v: number): Tensor => tf().scalar(v);
const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor => select(condition, a, b);
const positive = (x: Tensor): Tensor => tf().greater(x, number(0));
const expm1 = (x: Tensor): Tensor => tf().expm1(tf().minimum(x, number(0)));
const clip = (x: Tensor, low: number, high: number): Tensor => tf().minimum(tf().maximum(x, number(low)), number(high));
const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor =>
  clip(tf().add(tf().mul(x, number(alpha)), number(beta)), 0, 1);
/** `max(x, 0) + ln(1 + e^−|x|)`: never overflows. */
const softplus = (x: Tensor): Tensor => tf().add(tf().relu(x), tf().log1p(tf().exp(tf().neg(tf().abs(x)))));

export const activationKernels: Kernels = {
  Relu: unary((x) => tf().relu(x)),
  Sigmoid: unary((x) => tf().sigmoid(x)),
  Tanh: unary((x) => tf().tanh(x)),
  Erf: unary((x) => tf().erf(x)),
  Softplus: unary(softplus),
  Softsign: unary((x) => tf().div(x, tf().add(tf().abs(x), number(1)))),
  Mish: unary((x) => tf().mul(x, tf().tanh(softplus(x)))),
  HardSwish: unary((x) => tf().mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  HardSigmoid: unary((x, call) => hardSigmoid(x, call.float("alpha", 0.2), call.float("beta", 0.5))),
  Elu: unary((x, call) => where(positive(x), x, tf().mul(expm1(x), number(call.float("alpha", 1))))),
  Celu: unary((x, call) => {
    const alpha = number(call.float("alpha", 1));
    return where(positive(x), x, tf().mul(expm1(tf().div(x, alpha)), alpha));
  }),
  Selu: unary((x, call) => {
    const negative = tf().mul(expm1(x), number(call.float("alpha", 1.6732632)));
    return tf().mul(where(positive(x), x, negative), number(call.float("gamma", 1.050701)));
  }),
  LeakyRelu: unary((x, call) => where(positive(x), x, tf().mul(x, number(call.float("alpha", 0.01))))),
  ThresholdedRelu: unary((x, call) => where(tf().greater(x, number(call.float("alpha", 1))), x, number(0))),
  PRelu: (call) => {
    const { tensors, wrap } = aligned([call.at(0), call.at(1)]);
    const [x, slope] = tensors as [Tensor, Tensor];
    return wrap(where(positive(x), x, tf().mul(x, slope)));
  },
  Clip: (call) => {
    const { tensors, wrap } = aligned([call.at(0)]);
    let x = tensors[0]!.clone();
    if (call.has(1)) x = tf().maximum(x, call.at(1).nchw());
    if (call.has(2)) x = tf().minimum(x, call.at(2).nchw());
    return wrap(x);
  },
};
