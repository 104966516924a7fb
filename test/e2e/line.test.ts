import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Summary } from "../../src/messages/summary.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { publishedBy, readSummary, upTo } from "./topics.js";
import { type Ended, launchWorker, ROOT, temporaryFolder, writeConfig } from "./worker.js";

/** The inspection demo's own configuration, but that its film is shown once and as fast as it is explained. */
function demo(): { model: { path: string }; sources: object[] } {
  const config = parse(readFileSync(join(ROOT, "config/inspection.yaml"), "utf8"));
  const here = (path: string): string => join(ROOT, "config", path);
  const [source] = config.sources;
  const once = { ...source, url: here(source.url), truth: here(source.truth), loop: false, pace: "fast" };
  return { ...config, model: { path: here(config.model.path) }, sources: [once] };
}

const rows = readFileSync(join(ROOT, "assets/inspection/truth.csv"), "utf8").trimEnd().split("\n").slice(1);
const parts = rows.map((row) => row.split(",")[1]!);
const decision = ({ classification }: Summary): string => classification.top[0]!.label;
const isReject = (summary: Summary): boolean => decision(summary) !== "ok";

let server: NatsServer;
let summaries: Summary[];
let ended: Ended;
let ledger: string | undefined;
let finalLedger: Record<string, unknown>;
const evidence = temporaryFolder();

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
  const env = { NATS_URL: server.url, VIEWER_PORT: "0", METRICS_PORT: "0", EVIDENCE: evidence };
  const worker = launchWorker(writeConfig(demo()), env);
  ended = await worker.ended;
  ledger = worker.log.map(({ msg }) => msg).find((msg) => msg.startsWith("done: "));
  const published = await publishedBy(server.url, "demo", "line");
  summaries = published.summaries;
  finalLedger = published.statuses.at(-1)!.ledger;
}, 480_000);
afterAll(() => server?.stop());

describe("the inspection line", () => {
  it("is explained where it matters: each reject and each part of which the model is unsure, and nothing else", () => {
    expect(ended).toEqual({ code: 0, signal: null });
    expect(summaries.map(({ sequence }) => sequence)).toEqual(upTo(parts.length));
    const wanted = summaries.map((summary) => isReject(summary) || summary.classification.top[0]!.probability < 0.7);
    expect(summaries.map(({ relevance }) => relevance !== null)).toEqual(wanted);
    const explained = wanted.filter(Boolean).length;
    console.log(
      `${explained} of ${parts.length} parts explained, ${summaries.filter(isReject).length} of them rejects`,
    );
    expect(explained).toBeLessThan(parts.length / 2);
    const classified = parts.length - explained;
    expect(finalLedger).toEqual({ captured: parts.length, explained, classified, dropped: {}, inFlight: 0 });
    expect(ledger).toMatch(new RegExp(`^done: ${parts.length} frames captured, ${explained} explained`));
  });

  it("has in every summary what the part really is, and whether that was said of it", () => {
    expect(summaries.map(({ truth }) => truth?.label)).toEqual(parts);
    expect(summaries.map(({ truth }) => truth?.right)).toEqual(summaries.map((s, k) => decision(s) === parts[k]));
    const right = summaries.filter(({ truth }) => truth!.right).length;
    console.log(`${right} of ${parts.length} parts decided right`);
    expect(right).toBeGreaterThan(0.9 * parts.length);
    // No defect goes by as good.
    expect(summaries.filter((summary, k) => parts[k] !== "ok" && !isReject(summary))).toEqual([]);
  });

  it("has its heat on the defects: of each, many times more than their share of the picture", () => {
    const defects = summaries.filter((summary, k) => parts[k] !== "ok" && summary.truth!.right);
    const lifts = defects.map(({ truth }) => truth!.insideMask! / truth!.maskArea!);
    console.log(`relevance on the defect: ${Math.min(...lifts).toFixed(0)} times its share of the picture at least`);
    expect(Math.min(...lifts)).toBeGreaterThan(8);
    expect(defects.every(({ truth }) => truth!.insideMask! > 0.3)).toBe(true);
    // A good part has no mask, a part that is only classified no relevance.
    for (const { truth, relevance } of summaries)
      expect(truth!.insideMask !== undefined).toBe(truth!.label !== "ok" && relevance !== null);
  });

  it("leaves the evidence of each reject, and of no other part, in the folder", () => {
    const folder = join(evidence, "line");
    const kept = readFileSync(join(folder, "summaries.jsonl"), "utf8").trimEnd().split("\n").map(readSummary);
    expect(kept).toEqual(summaries.filter(isReject));
    const numbers = kept.map(({ sequence }) => String(sequence).padStart(10, "0"));
    const names = readdirSync(folder);
    for (const ending of [".jpg", ".png", "-original.jpg"]) {
      const found = names.flatMap((name) => (name.slice(30) === ending ? [name.slice(20, 30)] : []));
      expect(found.toSorted(), ending).toEqual(numbers);
    }
  });
});
