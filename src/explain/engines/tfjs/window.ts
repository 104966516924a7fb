import type { Call } from "./kernel.js";

export interface PlaneWindow {
  kernel: readonly [number, number];
  strides: readonly [number, number];
  /** Top, left, bottom, right. */
  pads: readonly [number, number, number, number];
  dilations: readonly [number, number];
}

/** The window attributes of an operation on planes. */
export function windowOf(call: Call, kernel = call.ints("kernel_shape") as readonly [number, number]): PlaneWindow {
  if (call.at(0).rank !== 4 || kernel?.length !== 2) call.refuse("has windows of other than two axes");
  if (call.text("auto_pad", "NOTSET") !== "NOTSET") call.refuse("has padding by name");
  if (call.int("ceil_mode", 0) !== 0) call.refuse("has ceil_mode");
  return {
    kernel,
    strides: (call.ints("strides") ?? [1, 1]) as [number, number],
    pads: (call.ints("pads") ?? [0, 0, 0, 0]) as [number, number, number, number],
    dilations: (call.ints("dilations") ?? [1, 1]) as [number, number],
  };
}
