import type { Kernels } from "../kernel.js";
import { activationKernels } from "./activations.js";
import { blockKernels } from "./blocks.js";
import { elementwiseKernels } from "./elementwise.js";
import { linearKernels } from "./linear.js";
import { poolingKernels } from "./pooling.js";
import { reduceKernels } from "./reduce.js";
import { resizeKernels } from "./resize.js";
import { selectKernels } from "./select.js";
import { shapeKernels } from "./shape.js";

/** Operations by name. A family registers its own by one line. */
export const KERNELS: Kernels = {
  ...activationKernels,
  ...blockKernels,
  ...elementwiseKernels,
  ...linearKernels,
  ...poolingKernels,
  ...reduceKernels,
  ...resizeKernels,
  ...selectKernels,
  ...shapeKernels,
};
