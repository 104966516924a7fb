import protobuf from "protobufjs";

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
        NodeProto: {
          fields: {
            input: f(1, "string", "repeated"),
            output: f(2, "string", "repeated"),
            name: f(3, "string"),
            opType: f(4, "string"),
            domain: f(7, "string"),
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

type Int = number | { toNumber(): number };
export interface TensorProto {
  dims?: Int[];
  dataType?: number;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: Int[];
  doubleData?: number[];
  name?: string;
  rawData?: Uint8Array;
  externalData?: { key: string; value: string }[];
  dataLocation?: number;
}
export interface AttributeProto {
  name: string;
  type?: number;
  f?: number;
  i?: Int;
  s?: Uint8Array;
  t?: TensorProto;
  floats?: number[];
  ints?: Int[];
  strings?: Uint8Array[];
}
export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType: string;
  domain?: string;
  attribute?: AttributeProto[];
  /** What messages and tables call the operator, where the file is not ONNX; not part of the format. */
  shown?: string;
}
export interface ValueInfo {
  name: string;
  type?: { tensorType?: { elemType?: number; shape?: { dim?: { dimValue?: Int; dimParam?: string }[] } } };
}
export interface ModelMessage {
  irVersion?: Int;
  opsetImport?: { domain?: string; version?: Int }[];
  producerName?: string;
  graph?: {
    node?: NodeProto[];
    name?: string;
    initializer?: TensorProto[];
    input?: ValueInfo[];
    output?: ValueInfo[];
  };
}

export const toNumber = (value: Int | undefined, fallback = 0): number =>
  value === undefined || value === null ? fallback : typeof value === "number" ? value : value.toNumber();

/** Element types of the ONNX format. */
export const ElementType = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
} as const;
export const AttributeType = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;
