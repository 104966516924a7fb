export type ElementKind = "float32" | "int64" | "uint8" | "bool" | "float64";
export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { text: string };

/** A typed constant of a program. Integers of kind int64 are given as numbers. */
export interface ProgramConstant {
  name: string;
  kind: ElementKind;
  dims: readonly number[];
  data: Float32Array | Float64Array | Uint8Array | readonly number[];
}

export type Size = readonly [height: number, width: number];

/** One primitive operation, with the meaning that ONNX opset 18 gives the operator of this name. */
export interface Operation {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Record<string, Attribute>;
  /** Height and width of the picture that a convolution reads, where they are known: engines may choose by them. */
  size?: Size;
}

export interface ProgramPort {
  name: string;
  kind: ElementKind;
  /** −1 is the batch. */
  dims: readonly number[];
}

/** One static graph as plain data: what an engine runs. Operations are in an order that can be executed. */
export interface Program {
  inputs: readonly ProgramPort[];
  outputs: readonly ProgramPort[];
  constants: readonly ProgramConstant[];
  operations: readonly Operation[];
  /**
   * Whether a convolution may round relative to the largest weights and inputs of a window, instead of to each of its
   * products: no method divides by a sum of its own that may be small beside them. (Shares at skip connections and norms do, but
   * what they multiply there is as small, and no share is larger than what is shared.)
   */
  smooth: boolean;
}
