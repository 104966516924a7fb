import type { OpTranslation } from "../op.js";
import { ELEMENTWISE } from "./elementwise.js";
import { PRODUCTS } from "./products.js";
import { SHAPES } from "./shapes.js";
import { WINDOWS } from "./windows.js";

/** Every operator of TensorFlow Lite that can be explained, by name. */
export const OPERATORS: Record<string, OpTranslation> = { ...ELEMENTWISE, ...PRODUCTS, ...SHAPES, ...WINDOWS };
