/** Of the numbers between input and output; what engines do not have, they compute in float32. */
export const PRECISIONS = ["float32", "bfloat16"] as const;
export type Precision = (typeof PRECISIONS)[number];
