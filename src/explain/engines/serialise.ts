import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { packageVersion } from "../../version.js";
import { ELEMENT_CODE } from "../program/emitter.js";
import type { Attribute, Program, ProgramConstant, ProgramPort } from "../program/program.js";
import { AttributeType, ModelProto } from "../proto/onnx.js";

const OPSET = 18;
/** float16 among ONNX's kinds of elements. */
export const FLOAT16 = 10;
const IR_VERSION = 9;

/** What an exported file says about itself. */
export interface OnnxNotes {
  /** Shown by viewers beside the graph. */
  doc: string;
  metadata: Readonly<Record<string, string>>;
}

/** A constant that is made when it is written, so that large ones do not exist all at once. */
interface Deferred extends Omit<ProgramConstant, "data"> {
  make(): Float32Array;
}
/** One of a kind that no program has: what makes it gives the bits of its numbers. */
export interface Float16Constant extends Omit<Deferred, "kind" | "make"> {
  kind: "float16";
  make(): Uint16Array;
}
export type Constant = ProgramConstant | Deferred;
/** A Program as it is written. Every Program is one. */
export interface Graph extends Omit<Program, "constants"> {
  constants: readonly Constant[];
}
/** A graph that may hold float16. Every Graph is one. */
export interface MixedGraph extends Omit<Graph, "constants"> {
  constants: readonly (Constant | Float16Constant)[];
}

/** Writes a Program as a standard ONNX file (opset 18). */
export const toOnnx = (program: MixedGraph, notes?: OnnxNotes): Uint8Array => encode(program, notes, inline);

/** Smaller constants stay in the graph, where optimisers see them. */
const INLINE_BYTES = 2048;
/** Engines map a weights file into memory; tensors on page borders need no copy. */
const PAGE = 4096;

/**
 * Writes a Program as an ONNX file with its large constants in a file beside it, straight from where they lie: no second
 * copy of them is made.
 */
export function writeOnnx(program: MixedGraph, folder: string, name: string): void {
  const weights = `${name}.weights`;
  const handle = openSync(path.join(folder, weights), "w");
  let offset = 0;
  try {
    const external = (constant: MixedGraph["constants"][number]): Record<string, unknown> => {
      const { rawData, ...rest } = inline(constant);
      if (rawData.length <= INLINE_BYTES) return { ...rest, rawData };
      for (let at = 0; at < rawData.length; ) at += writeSync(handle, rawData, at, rawData.length - at, offset + at);
      const entries = { location: weights, offset: String(offset), length: String(rawData.length) };
      offset = Math.ceil((offset + rawData.length) / PAGE) * PAGE;
      const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
      return { ...rest, externalData, dataLocation: 1 };
    };
    writeFileSync(path.join(folder, name), encode(program, undefined, external));
  } finally {
    closeSync(handle);
  }
}

function encode(
  program: MixedGraph,
  notes: OnnxNotes | undefined,
  initializer: (constant: MixedGraph["constants"][number]) => Record<string, unknown>,
): Uint8Array {
  const message = {
    irVersion: IR_VERSION,
    producerName: "video-explainer",
    producerVersion: packageVersion(),
    docString: notes?.doc ?? "",
    metadataProps: Object.entries(notes?.metadata ?? {}).map(([key, value]) => ({ key, value })),
    opsetImport: [{ domain: "", version: OPSET }],
    graph: {
      name: "explanation",
      node: program.operations.map((o) => ({
        opType: o.op,
        name: o.outputs[0],
        input: o.inputs,
        output: o.outputs,
        attribute: Object.entries(o.attributes).map(([name, value]) => attribute(name, value)),
      })),
      initializer: program.constants.map(initializer),
      input: program.inputs.map(valueInfo),
      output: program.outputs.map(valueInfo),
    },
  };
  return ModelProto.encode(ModelProto.create(message)).finish();
}

function attribute(name: string, value: Attribute): Record<string, unknown> {
  if ("int" in value) return { name, type: AttributeType.int, i: value.int };
  if ("float" in value) return { name, type: AttributeType.float, f: value.float };
  if ("ints" in value) return { name, type: AttributeType.ints, ints: value.ints };
  return { name, type: AttributeType.string, s: new TextEncoder().encode(value.text) };
}

const bytesOf = (data: Float32Array | Float64Array | Uint16Array | Uint8Array | BigInt64Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function inline(constant: MixedGraph["constants"][number]): { rawData: Uint8Array; [field: string]: unknown } {
  const given = "make" in constant ? constant.make() : constant.data;
  const data = ArrayBuffer.isView(given) ? given : BigInt64Array.from(given, (v) => BigInt(v));
  return {
    name: constant.name,
    dims: constant.dims,
    dataType: constant.kind === "float16" ? FLOAT16 : ELEMENT_CODE[constant.kind],
    rawData: bytesOf(data),
  };
}

const valueInfo = (port: ProgramPort): Record<string, unknown> => ({
  name: port.name,
  type: {
    tensorType: {
      elemType: ELEMENT_CODE[port.kind],
      shape: { dim: port.dims.map((d) => (d < 0 ? { dimParam: "N" } : { dimValue: d })) },
    },
  },
});
