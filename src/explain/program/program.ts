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
   * Whether a convolution may have errors as large as those of rounding its largest product, as minimal filtering has: true where
   * the method never divides by a convolution's result that may be small beside its products. (Shares at skip connections and
   * norms divide too, but what they multiply is as small, and no share is larger than what is shared.)
   */
  smooth: boolean;
}
