import { packageVersion } from "../../version.js";
import { AttributeType, ModelProto } from "../onnx/proto.js";
import { ELEMENT_CODE } from "../program/emitter.js";
import type { Attribute, Program, ProgramConstant, ProgramPort } from "../program/program.js";

const OPSET = 18;
const IR_VERSION = 9;

/** What an exported file says about itself. */
export interface OnnxNotes {
  /** Shown by viewers beside the graph. */
  doc: string;
  metadata: Readonly<Record<string, string>>;
}

/** Writes a Program as a standard ONNX file (opset 18). */
export function toOnnx(program: Program, notes?: OnnxNotes): Uint8Array {
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

const bytesOf = (data: Float32Array | Float64Array | Uint8Array | BigInt64Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function initializer(constant: ProgramConstant): Record<string, unknown> {
  const data = ArrayBuffer.isView(constant.data)
    ? constant.data
    : BigInt64Array.from(constant.data as readonly number[], (v) => BigInt(v));
  return { name: constant.name, dims: constant.dims, dataType: ELEMENT_CODE[constant.kind], rawData: bytesOf(data) };
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
