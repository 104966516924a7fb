import { DualLayoutTensor } from "../dual-layout-tensor.js";
import type { Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";

/** Moves between channels and blocks of pixels. */
export const blockKernels: Kernels = {
  DepthToSpace: (call) => {
    const x = call.at(0);
    const [n, channels, height, width] = x.dims as [number, number, number, number];
    const b = call.int("blocksize", 1);
    const out = channels / (b * b);
    const depthFirst = call.text("mode", "DCR") === "DCR";
    const split = tf().reshape(x.nhwc(), [n, height, width, ...(depthFirst ? [b, b, out] : [out, b, b])]);
    const woven = tf().transpose(split, depthFirst ? [0, 1, 3, 2, 4, 5] : [0, 1, 4, 2, 5, 3]);
    return DualLayoutTensor.ofNhwc(tf().reshape(woven, [n, height * b, width * b, out]));
  },
  SpaceToDepth: (call) => {
    const x = call.at(0);
    const [n, channels, height, width] = x.dims as [number, number, number, number];
    const b = call.int("blocksize", 1);
    const split = tf().reshape(x.nhwc(), [n, height / b, b, width / b, b, channels]);
    const gathered = tf().transpose(split, [0, 1, 3, 2, 4, 5]);
    return DualLayoutTensor.ofNhwc(tf().reshape(gathered, [n, height / b, width / b, b * b * channels]));
  },
};
