import { createHash } from "node:crypto";
import type { FleetConfig } from "../config/schema.js";
import type { ModelInfo } from "../explain/explanation.js";
import { withTarget } from "../explain/model/target.js";
import { completed } from "../explain/options.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import type { StreamSpec } from "../sinks/nats/stream.js";

/** What a capture and a worker must agree on beside the names, or they do not understand each other. */
const WIRE_VERSION = 1;
/** The server remembers ids of messages for so long, and a stream keeps none for less. */
const DUPLICATE_WINDOW_SECONDS = 120;

export type Work = Pick<
  ExplainerOptions,
  "output" | "method" | "inputRule" | "start" | "target" | "top" | "grid" | "blur"
>;

/**
 * Names what is done with a frame: 16 hexadecimal digits of a hash of the model, its labels and what it reads, and of how
 * it is explained; a target that is named by its label is the class of that label. Workers take frames of their own work alone.
 */
export function workId(model: Pick<ModelInfo, "identity" | "sha256" | "name" | "labels">, options: Work): string {
  const { output, method, inputRule, start, target, top, grid, blur } = completed(withTarget(options, { info: model }));
  const { rows, columns } = grid;
  const all = [
    WIRE_VERSION,
    model.identity ?? model.sha256,
    output ?? null,
    method,
    inputRule,
    start,
    target,
    top,
    rows,
    columns,
    blur,
  ];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 16);
}

/** Streams, whose names are the first token of their subjects. */
export const streamNames = (prefix: string) => ({ frames: `${prefix}_FRAMES`, results: `${prefix}_RESULTS` });

/** `{prefix}_FRAMES.{work}.{station}.{source}` */
export const frameSubject = (prefix: string, work: string, station: string, source: string): string =>
  `${streamNames(prefix).frames}.${work}.${station}.${source}`;

/** All frames of one work: what its consumer takes. */
export const workSubjects = (prefix: string, work: string): string => `${streamNames(prefix).frames}.${work}.>`;

/** `{prefix}_RESULTS.{station}.{run}`: answers to one run of one capture. */
export const resultSubject = (prefix: string, station: string, run: string): string =>
  `${streamNames(prefix).results}.${station}.${run}`;

/** The durable consumer that all workers of one work share. */
export const consumerName = (work: string): string => `explain-${work}`;

/** Both streams, as a capture makes them. */
export function streamSpecs({ prefix, stream }: FleetConfig): { frames: StreamSpec; results: StreamSpec } {
  const { frames, results } = streamNames(prefix);
  const limits = { ...stream, duplicateWindowSeconds: DUPLICATE_WINDOW_SECONDS, otherwise: "" };
  return {
    frames: { ...limits, name: frames, subjects: `${frames}.>`, workQueue: true },
    results: { ...limits, name: results, subjects: `${results}.>` },
  };
}
