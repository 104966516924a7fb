import type { OverlayRequest, OverlayResult } from "./overlay.js";

/** `close` lets the worker finish what it was given, then end by itself. */
export type ToWorker = { kind: "paint"; id: number; request: OverlayRequest } | { kind: "close" };

export type FromWorker =
  | { kind: "ready" }
  | { kind: "done"; id: number; result: OverlayResult }
  | { kind: "failed"; id: number; message: string };
