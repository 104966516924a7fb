import type { Tensor4D } from "@tensorflow/tfjs-core";
import type { Window } from "../../network/network.js";
import type { Call } from "./kernel.js";
import { tf } from "./tensorflow.js";

/** The window attributes of an operation on planes. */
export function windowOf(call: Call, kernel = call.ints("kernel_shape") as readonly [number, number]): Window {
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

/** Channel-last planes with their padding. */
export function padded(x: Tensor4D, { pads: [top, left, bottom, right] }: Pick<Window, "pads">, value = 0): Tensor4D {
  if (!(top || left || bottom || right)) return x;
  const around: [number, number][] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf().pad(x, around, value);
}
