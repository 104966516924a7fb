import { VideoExplainerError } from "../../errors.js";
import { evaluateOnnx } from "../engines/evaluate.js";
import { fromInt64, toInt64 } from "../proto/int64.js";
import { type AttributeProto, AttributeType, ElementType, ModelProto, type TensorProto } from "../proto/onnx.js";
import { toBfloat } from "./fold.js";
import type { Importer, Node } from "./importer.js";
import { type Constant, halfToFloat, isFloating, size, typeOf } from "./tensor.js";
import { workOf } from "./work.js";

/** Smaller operands are part of the file: shapes and axes among them decide the dims of results. */
const INLINE = 1024;
const IR_VERSION = 10;
/** What starting an engine counts for, beside numbers. */
const START = 2 ** 21;
/** What a 64-bit integer counts for on its way to the engine. */
const CONVERTED = 16;

/**
 * Results of a node of constants as onnxruntime computes them, in the order of its outputs. What they take is known and
 * allowed before they are computed.
 * @throws ModelError naming the node
 */
export function foldByEngine(
  importer: Importer,
  node: Node,
  constants: readonly (Constant | undefined)[],
): (Constant | undefined)[] {
  const halves = constants.some((c) => c && typeOf(c) === ElementType.bfloat16);
  const whole = constants.reduce((sum, c) => sum + (c?.integer ? c.data.length : 0), 0);
  importer.budget.work(importer, node, START + CONVERTED * whole);
  const model = new Wrapped(importer, node);
  node.inputs.forEach((name, k) => {
    if (name) model.operand(name, constants[k]!);
  });
  try {
    const results = evaluateOnnx(model.bytes(), model.feeds, (outputs) => {
      for (const dims of outputs) importer.budget.take(importer, node, size(dims ?? mostOf(importer, node, constants)));
      importer.budget.work(importer, node, workOf(importer, node, constants, outputs));
    });
    return node.outputs.map((name, k) => {
      if (!name) return undefined;
      const made = constantOf(results[k]!);
      return halves && made.type === ElementType.float
        ? { ...made, data: toBfloat(made.data), type: ElementType.bfloat16 }
        : made;
    });
  } catch (cause) {
    if (cause instanceof VideoExplainerError) throw cause;
    return importer.refuse(
      node,
      `its inputs are constants, and onnxruntime cannot compute it (${said(cause as Error)})`,
    );
  }
}

/** What is wrong, without where in onnxruntime it was found. */
function said({ message }: Error): string {
  const [line] = message.split("\n") as [string];
  const last = line.split(/Status Message: |\[ShapeInferenceError\] /).at(-1)!;
  return last.replace(/\.*$/, "").slice(0, 200);
}

/** Operators whose results have as many elements as they find, each at most once an axis. */
const COUNTING = new Set(["Compress", "NonZero", "Unique"]);

/** Dims that a result cannot exceed, where they depend on values. */
function mostOf(importer: Importer, node: Node, [data]: readonly (Constant | undefined)[]): number[] {
  if (!COUNTING.has(node.op) || !data)
    return importer.refuse(node, "how large its result is cannot be told beforehand");
  return [...data.dims, Math.max(1, data.dims.length)];
}

/** The node alone as a file: its large operands fed, the others written into it. */
class Wrapped {
  readonly feeds: Parameters<typeof evaluateOnnx>[1] = {};
  readonly #input: object[] = [];
  readonly #initializer: object[] = [];
  readonly #casts: object[] = [];
  readonly #names = new Map<string, string>();

  constructor(
    readonly importer: Importer,
    readonly node: Node,
  ) {}

  operand(name: string, c: Constant): void {
    if (this.#names.has(name)) return;
    const at = `in${this.#names.size}`;
    // Engines have no arithmetic for bfloat16: it is done in float32 and rounded.
    const type = typeOf(c) === ElementType.bfloat16 ? ElementType.float : typeOf(c);
    this.#names.set(name, at);
    if (c.data.length <= INLINE && isStored(type)) {
      this.#initializer.push({ name: at, dims: c.dims, dataType: type, rawData: rawOf(c, type) });
      return;
    }
    const kind = c.integer ? "int64" : c.data instanceof Float64Array ? "float64" : "float32";
    const fed = { int64: ElementType.int64, float64: ElementType.double, float32: ElementType.float }[kind];
    const port = fed === type ? at : `${at}.fed`;
    const dim = c.dims.map((dimValue) => ({ dimValue }));
    this.feeds[port] = { kind, data: c.data, dims: c.dims };
    this.#input.push({ name: port, type: { tensorType: { elemType: fed, shape: { dim } } } });
    if (fed === type) return;
    const attribute = [{ name: "to", type: AttributeType.int, i: type }];
    this.#casts.push({ opType: "Cast", input: [port], output: [at], attribute });
  }

  bytes(): Uint8Array {
    const { node, importer } = this;
    const input = node.inputs.map((name) => (name ? this.#names.get(name)! : ""));
    // All are named, used or not: kernels of onnxruntime write to those that have none, and end the process.
    const training = node.op === "BatchNormalization" && node.int("training_mode", 0) === 1;
    const output = Array.from({ length: training ? 3 : node.outputs.length }, (_, k) => `out${k}`);
    const attribute = node.attributes.map((a) => forEngine(importer, node, a));
    const message = {
      irVersion: IR_VERSION,
      opsetImport: [{ domain: "", version: importer.opset }],
      graph: {
        name: "constants",
        node: [...this.#casts, { opType: node.op, input, output, attribute }],
        initializer: this.#initializer,
        input: this.#input,
        output: output.map((name) => ({ name })),
      },
    };
    return ModelProto.encode(ModelProto.create(message)).finish();
  }
}

const isStored = (type: number): boolean =>
  type === ElementType.float || type === ElementType.double || type === ElementType.int64 || type === ElementType.int32;

function rawOf(c: Constant, type: number): Uint8Array {
  const data =
    type === ElementType.int64
      ? toInt64(c.data)
      : type === ElementType.int32
        ? Int32Array.from(c.data)
        : type === ElementType.double
          ? Float64Array.from(c.data)
          : Float32Array.from(c.data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Windows without extent are what engines divide by. */
const POSITIVE = new Set(["strides", "dilations", "kernel_shape", "group", "blocksize", "num_groups", "size"]);

function forEngine(importer: Importer, node: Node, a: AttributeProto): AttributeProto {
  const external = (t: TensorProto | undefined): boolean => t?.dataLocation === 1;
  if (external(a.t) || a.g) importer.refuse(node, `its attribute ${a.name} is no number`);
  const ints = a.ints ?? [];
  const i = a.i ?? 0;
  if (POSITIVE.has(a.name) && [...ints, ...(ints.length > 0 ? [] : [i])].some((v) => !(v >= 1)))
    importer.refuse(node, `its ${a.name} [${ints.length > 0 ? ints.join(", ") : i}] are not numbers of 1 or more`);
  // As numbers, the largest 64-bit integers are one too many.
  const held = (v: number): number => Math.min(v, 2 ** 63 - 1024);
  const type = a.type ?? typeOfAttribute(a);
  return { ...a, type, ...(a.i !== undefined && { i: held(i) }), ...(ints.length > 0 && { ints: ints.map(held) }) };
}

const typeOfAttribute = (a: AttributeProto): number =>
  a.t
    ? AttributeType.tensor
    : a.ints?.length
      ? AttributeType.ints
      : a.floats?.length
        ? AttributeType.floats
        : a.s?.length
          ? AttributeType.string
          : a.i !== undefined
            ? AttributeType.int
            : AttributeType.float;

/** Types by onnxruntime's names. */
const TYPES: Record<string, number> = { ...ElementType, float32: ElementType.float, float64: ElementType.double };

function constantOf(tensor: ReturnType<typeof evaluateOnnx>[number]): Constant {
  const type = TYPES[tensor.type]!;
  const dims = [...tensor.dims];
  const { data } = tensor;
  if (type === ElementType.float || type === ElementType.double)
    return { dims, data: data as Constant["data"], integer: false, type };
  if (data instanceof Uint16Array && type === ElementType.float16)
    return { dims, data: Float32Array.from(data, halfToFloat), integer: false, type };
  if (isFloating(type)) return { dims, data: Float32Array.from(data as ArrayLike<number>), integer: false, type };
  if (type === undefined || type === ElementType.string) throw new Error(`its result is of type ${tensor.type}`);
  const isWide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  return { dims, data: isWide ? fromInt64(data) : Float64Array.from(data as ArrayLike<number>), integer: true, type };
}
