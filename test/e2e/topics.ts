import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { SourceStatus, Summary } from "../../src/messages/summary.js";
import { type StoredMessage, storedMessages } from "../support/nats-client.js";
import { ROOT } from "./worker.js";

const ajv = new Ajv2020({ strict: false });
const published = (name: string) => ajv.compile(JSON.parse(readFileSync(join(ROOT, "config", name), "utf8")));
const isSummary = published("explanation-summary.schema.json");
const isStatus = published("source-status.schema.json");

/** What a station published about one source, each kind in the order of the stream. */
export interface Published {
  summaries: Summary[];
  statuses: SourceStatus[];
  of: Record<"summary" | "overlay" | "heatmap" | "status", StoredMessage[]>;
}

/** Reads a stream; every JSON message must agree with the schema that is shipped for it. */
export async function publishedBy(url: string, station: string, source: string): Promise<Published> {
  const all = await storedMessages(url, `explain-${station}`);
  const kind = (name: string) => all.filter((m) => m.subject === `explain.${station}.${source}.${name}`);
  const of = {
    summary: kind("summary"),
    overlay: kind("overlay"),
    heatmap: kind("heatmap"),
    status: kind("status"),
  };
  return {
    of,
    summaries: of.summary.map((m) => checked<Summary>(m, isSummary)),
    statuses: of.status.map((m) => checked<SourceStatus>(m, isStatus)),
  };
}

/** The JSON of a text that must be a summary. */
export const readSummary = (text: string): Summary => checked({ id: text.slice(0, 80), body: text }, isSummary);

function checked<T>(message: { id: string; body: Buffer | string }, valid: typeof isSummary): T {
  const value = JSON.parse(message.body.toString());
  if (!valid(value)) throw new Error(`${message.id}: ${ajv.errorsText(valid.errors)}`);
  return value as T;
}

/** 0, 1, 2 …: every frame there, in order, none twice. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
