import type { Tensor } from "@tensorflow/tfjs-core";
import { aligned, type Call, type Kernel, type Kernels } from "../kernel.js";
import { select, tf } from "../tensorflow.js";

/** Operations that work element by element, operands broadcast against each other. */
const each =
  (fn: (call: Call, ...operands: Tensor[]) => Tensor): Kernel =>
  (call) => {
    const { tensors, wrap } = aligned(call.inputs.filter((i) => i !== undefined));
    return wrap(fn(call, ...tensors));
  };
const binary = (fn: (a: Tensor, b: Tensor) => Tensor): Kernel => each((_, a, b) => fn(a!, b!));
const variadic = (fn: (a: Tensor, b: Tensor) => Tensor): Kernel =>
  each((_, first, ...rest) => rest.reduce(fn, first!).clone());

const CASTS: Record<number, "float32" | "int32" | "bool"> = {
  1: "float32",
  2: "int32",
  6: "int32",
  7: "int32",
  9: "bool",
  11: "float32",
};

export const elementwiseKernels: Kernels = {
  Identity: each((_, x) => x!.clone()),
  Add: binary((a, b) => tf().add(a, b)),
  Sub: binary((a, b) => tf().sub(a, b)),
  Mul: binary((a, b) => tf().mul(a, b)),
  Div: binary((a, b) => tf().div(a, b)),
  Pow: binary((a, b) => tf().pow(a, b)),
  Max: variadic((a, b) => tf().maximum(a, b)),
  Min: variadic((a, b) => tf().minimum(a, b)),
  Sum: variadic((a, b) => tf().add(a, b)),
  Equal: binary((a, b) => tf().equal(a, b)),
  Less: binary((a, b) => tf().less(a, b)),
  LessOrEqual: binary((a, b) => tf().lessEqual(a, b)),
  Greater: binary((a, b) => tf().greater(a, b)),
  GreaterOrEqual: binary((a, b) => tf().greaterEqual(a, b)),
  And: binary((a, b) => tf().logicalAnd(a, b)),
  Or: binary((a, b) => tf().logicalOr(a, b)),
  Not: each((_, x) => tf().logicalNot(x!)),
  Where: each((_, condition, a, b) => select(condition!, a!, b!)),
  Cast: each((call, x) => {
    const type = CASTS[call.int("to", 0)] ?? call.refuse(`casts to type ${call.int("to", 0)}`);
    return tf().cast(x!, type);
  }),
  Abs: each((_, x) => tf().abs(x!)),
  Neg: each((_, x) => tf().neg(x!)),
  Sign: each((_, x) => tf().sign(x!)),
  Sqrt: each((_, x) => tf().sqrt(x!)),
  Exp: each((_, x) => tf().exp(x!)),
  Log: each((_, x) => tf().log(x!)),
  Reciprocal: each((_, x) => tf().div(tf().scalar(1), x!)),
  Round: each((_, x) => tf().round(x!)),
  Floor: each((_, x) => tf().floor(x!)),
  Ceil: each((_, x) => tf().ceil(x!)),
  Sin: each((_, x) => tf().sin(x!)),
  Cos: each((_, x) => tf().cos(x!)),
};
