import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeLine } from "../../scripts/inspection-line.mjs";
import { configSchema } from "../../src/config/schema.js";
import { createExplainer } from "../../src/explain/runtime/explainer.js";
import { DriftMonitor, type Found } from "../../src/station/drift.js";
import { explainInput } from "../../src/station/explained-frame.js";
import { defaultEngine, explainerOptions } from "../../src/station/explainer-options.js";
import { noise } from "../explain/random/writer.js";
import { ffmpeg, open, pull } from "../pipeline/helpers.js";
import { readSummary } from "./topics.js";
import { INSPECTION, ROOT, startWorker, temporaryFolder } from "./worker.js";

const LINE = join(ROOT, "assets/inspection/line.mp4");
const REGION = { x: 224, y: 84, width: 192, height: 192 };
/** Explained frames of an hour at ten a second. */
const HOUR = 36_000;

it("warns of a camera that moved, of another light and of another part, and not of the line that it learned", async () => {
  const folder = temporaryFolder();
  const window = 20;
  const learning = 40 * window;
  const each = 3 * window;
  await writeLine(join(folder, "slabs"), { parts: each / 4, type: "slab" });
  // What the camera sees, for so many frames each.
  const view = (left: number): string => `crop=220:216:${left}:72`;
  const usual = { frames: each, input: 0, filter: view(210) };
  const phases = {
    learning: { ...usual, frames: learning },
    unchanged: usual,
    brighter: { ...usual, filter: `${view(210)},format=rgb24,lutrgb=r=val*1.25:g=val*1.25:b=val*1.25` },
    "as before": usual,
    // By a sixteenth of what the model sees.
    moved: { ...usual, filter: view(222) },
    "as before that": usual,
    "another part": { ...usual, input: 1 },
  };
  const list = Object.values(phases);
  const inputs = ["-stream_loop", "-1", "-i", LINE, "-stream_loop", "-1", "-i", join(folder, "slabs/line.mp4")];
  const cut = list.map(({ frames, input, filter }, i) => {
    const parts = `trim=end_frame=${frames},setpts=PTS-STARTPTS,${filter},format=yuv420p`;
    return `[v${input}${list.slice(0, i).filter((phase) => phase.input === input).length}]${parts}[p${i}]`;
  });
  const copies = [0, 1].map((input) => {
    const count = list.filter((phase) => phase.input === input).length;
    return `[${input}:v]split=${count}${Array.from({ length: count }, (_, k) => `[v${input}${k}]`).join("")}`;
  });
  const joined = `${list.map((_, i) => `[p${i}]`).join("")}concat=n=${list.length}[out]`;
  const film = join(folder, "film.mp4");
  const coding = ["-map", "[out]", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18"];
  ffmpeg(...inputs, "-filter_complex", [...copies, ...cut, joined].join(";"), ...coding, film);

  const worker = startWorker({
    station: "t",
    model: INSPECTION,
    warnings: { driftFrames: window },
    sources: [{ name: "line", url: film, region: { ...REGION, x: REGION.x - 210, y: REGION.y - 72 } }],
    sinks: [{ kind: "files", path: join(folder, "out"), publish: ["summary"] }],
  });
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  const lines = readFileSync(join(folder, "out/line/summaries.jsonl"), "utf8").trimEnd().split("\n");
  const warned = lines.map((line) => readSummary(line).warnings!.includes("drift"));
  let at = 0;
  const found = Object.entries(phases).map(([name, { frames }]) => {
    const own = warned.slice(at, at + frames);
    at += frames;
    return { name, some: own.includes(true), atEnd: own.at(-1) };
  });
  expect(warned).toHaveLength(at);
  console.log(found.map(({ name, some, atEnd }) => `${name}: ${some ? "warned" : "not warned"}, ${atEnd}`).join("\n"));
  const drifted = found.flatMap(({ name, some }) => (some && !name.startsWith("as before") ? [name] : []));
  expect(drifted).toEqual(["brighter", "moved", "another part"]);
  // A window as it was learned ends the warning.
  for (const { name, atEnd } of found) if (name.startsWith("as before")) expect(atEnd, name).toBe(false);
}, 480_000);

/** What is found on the film's parts, the camera moved by so many pixels. */
async function partsSeen(shift: number): Promise<Found[]> {
  const options = explainerOptions({
    model: INSPECTION,
    explain: configSchema.shape.explain.parse({}),
    engine: defaultEngine(),
  });
  const explainer = await createExplainer(options);
  const view = { inputWidth: 96, inputHeight: 96, fit: "stretch" } as const;
  const opened = open({ url: LINE, region: { ...REGION, x: REGION.x + shift } }, view);
  const found: Found[] = [];
  await pull(opened.source, async (frame) => {
    const [explanation] = await explainer.explain([explainInput(frame, { classifyOnly: false, scale: 0 })]);
    frame.release();
    opened.ledger.explained();
    found.push({ target: explanation!.target, relevance: explanation!.relevance! });
  });
  await explainer.close();
  return found;
}

it("says nothing in an hour of the unchanged line, by its parts in an order of chance, and finds it moved in the window after", async () => {
  const [usual, moved] = [await partsSeen(0), await partsSeen(12)];
  const { driftFrames } = configSchema.shape.warnings.parse(undefined);
  for (const seed of [1, 2, 3]) {
    const random = noise(seed);
    const one = (of: readonly Found[]): Found => of[Math.floor(((random() + 1) / 2) * of.length) % of.length]!;
    const monitor = new DriftMonitor(driftFrames);
    for (let k = 0; k < 40 * driftFrames; k++) monitor.add(one(usual));
    expect(monitor.hasLearned).toBe(true);
    let alarms = 0;
    for (let k = 0; k < HOUR; k++) {
      monitor.add(one(usual));
      if (monitor.isDrifting) alarms++;
    }
    expect(alarms).toBe(0);
    for (let k = 0; k < 2 * driftFrames; k++) monitor.add(one(moved));
    expect(monitor.isDrifting).toBe(true);
  }
}, 240_000);
