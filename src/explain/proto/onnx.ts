import protobuf from "protobufjs";

// 64-bit integers as numbers: objects would take some thirty times the bytes of the file.
(protobuf.util as { Long: unknown }).Long = undefined;
protobuf.configure();

/** The part of the ONNX format (onnx.proto3, Apache-2.0, the ONNX project) that classifiers use; unknown fields are skipped. */
const f = (id: number, type: string, rule?: string) => (rule ? { id, type, rule } : { id, type });
const descriptor = {
  nested: {
    onnx: {
      nested: {
        ModelProto: {
          fields: {
            irVersion: f(1, "int64"),
            opsetImport: f(8, "OperatorSetId", "repeated"),
            producerName: f(2, "string"),
            producerVersion: f(3, "string"),
            docString: f(6, "string"),
            graph: f(7, "GraphProto"),
            metadataProps: f(14, "StringEntry", "repeated"),
            functions: f(25, "FunctionProto", "repeated"),
          },
        },
        OperatorSetId: { fields: { domain: f(1, "string"), version: f(2, "int64") } },
        StringEntry: { fields: { key: f(1, "string"), value: f(2, "string") } },
        GraphProto: {
          fields: {
            node: f(1, "NodeProto", "repeated"),
            name: f(2, "string"),
            initializer: f(5, "TensorProto", "repeated"),
            input: f(11, "ValueInfo", "repeated"),
            output: f(12, "ValueInfo", "repeated"),
          },
        },
        FunctionProto: {
          fields: {
            name: f(1, "string"),
            input: f(4, "string", "repeated"),
            output: f(5, "string", "repeated"),
            attributeProto: f(11, "AttributeProto", "repeated"),
            node: f(7, "NodeProto", "repeated"),
            domain: f(10, "string"),
            overload: f(13, "string"),
          },
        },
        NodeProto: {
          fields: {
            input: f(1, "string", "repeated"),
            output: f(2, "string", "repeated"),
            name: f(3, "string"),
            opType: f(4, "string"),
            domain: f(7, "string"),
            overload: f(8, "string"),
            attribute: f(5, "AttributeProto", "repeated"),
          },
        },
        AttributeProto: {
          fields: {
            name: f(1, "string"),
            f: f(2, "float"),
            i: f(3, "int64"),
            s: f(4, "bytes"),
            t: f(5, "TensorProto"),
            g: f(6, "GraphProto"),
            refAttrName: f(21, "string"),
            floats: f(7, "float", "repeated"),
            ints: f(8, "int64", "repeated"),
            strings: f(9, "bytes", "repeated"),
            type: f(20, "int32"),
          },
        },
        TensorProto: {
          fields: {
            dims: f(1, "int64", "repeated"),
            dataType: f(2, "int32"),
            floatData: f(4, "float", "repeated"),
            int32Data: f(5, "int32", "repeated"),
            int64Data: f(7, "int64", "repeated"),
            name: f(8, "string"),
            rawData: f(9, "bytes"),
            doubleData: f(10, "double", "repeated"),
            uint64Data: f(11, "uint64", "repeated"),
            externalData: f(13, "StringEntry", "repeated"),
            dataLocation: f(14, "int32"),
          },
        },
        ValueInfo: { fields: { name: f(1, "string"), type: f(2, "TypeProto") } },
        TypeProto: { fields: { tensorType: f(1, "TensorType") } },
        TensorType: { fields: { elemType: f(1, "int32"), shape: f(2, "TensorShape") } },
        TensorShape: { fields: { dim: f(1, "Dimension", "repeated") } },
        Dimension: { fields: { dimValue: f(1, "int64"), dimParam: f(2, "string") } },
      },
    },
  },
};

export const ModelProto = protobuf.Root.fromJSON(descriptor).lookupType("onnx.ModelProto");

export interface TensorProto {
  dims?: number[];
  dataType?: number;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: number[];
  doubleData?: number[];
  uint64Data?: number[];
  name?: string;
  rawData?: Uint8Array;
  externalData?: { key: string; value: string }[];
  dataLocation?: number;
}
export interface AttributeProto {
  name: string;
  type?: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  /** In the body of a function: the attribute of the call that it takes its value from. */
  refAttrName?: string;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
}
export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType: string;
  domain?: string;
  overload?: string;
  attribute?: AttributeProto[];
  /** What messages and tables call the operator, where the file is not ONNX; not part of the format. */
  shown?: string;
  /** What the names in its subgraphs mean, where it was itself taken out of a subgraph; not part of the format. */
  scope?: Scope;
}
/** What names mean inside of a subgraph or function; those that it does not know mean what they mean around it. */
export interface Scope {
  names: ReadonlyMap<string, string>;
  around?: Scope;
}
export interface GraphProto {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  input?: ValueInfo[];
  output?: ValueInfo[];
}
export interface FunctionProto {
  name: string;
  input?: string[];
  output?: string[];
  attributeProto?: AttributeProto[];
  node?: NodeProto[];
  domain?: string;
  overload?: string;
}
export interface ValueInfo {
  name: string;
  type?: { tensorType?: { elemType?: number; shape?: { dim?: { dimValue?: number; dimParam?: string }[] } } };
}
export interface ModelMessage {
  irVersion?: number;
  opsetImport?: { domain?: string; version?: number }[];
  producerName?: string;
  graph?: GraphProto;
  functions?: FunctionProto[];
}

/** @throws where the bytes are no such message */
export const decodeModel = (bytes: Uint8Array): ModelMessage => ModelProto.decode(bytes) as unknown as ModelMessage;

/** Element types of the ONNX format. */
export const ElementType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
} as const;
/** What people call the types whose name in the format says less. */
const CALLED: Record<string, string> = { float: "float32", double: "float64" };
/** An element type of the ONNX format, for messages. */
export function typeName(type: number): string {
  const name = Object.entries(ElementType).find(([, code]) => code === type)?.[0];
  return name === undefined ? `an unknown type (${type})` : (CALLED[name] ?? name);
}
export const AttributeType = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;
