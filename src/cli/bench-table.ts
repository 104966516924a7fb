import type { ChoiceFigures, SideFigures } from "../bench/choice.js";
import type { EngineFigures } from "../bench/engine.js";
import type { DecodeFigures } from "../bench/frames.js";
import type { PipelineFigures } from "../bench/pipeline.js";
import type { PlaceFigures } from "../bench/places.js";
import type { BenchReport } from "../bench/report.js";
import { alignedRows } from "./table.js";

const MIB = 1024 * 1024;
const mib = (bytes: number | null): string => (bytes === null ? "?" : `${Math.round(bytes / MIB)} MiB`);
const ms = (value: number | null): string => (value === null ? "?" : `${value.toFixed(2)} ms`);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Columns set right, the first left. */
const table = (rows: readonly (readonly string[])[]): string[] =>
  alignedRows(rows, (column) => column > 0).map((line) => `  ${line}`);

function pipelineLines(p: PipelineFigures, decode: DecodeFigures | null, published: string): string[] {
  const stages = Object.entries(p.stages).flatMap(([name, s]) =>
    s ? [[name, ...[s.mean, s.p50, s.p99, s.max].map((v) => v.toFixed(2))]] : [],
  );
  const { total, own, decoder } = p.cpuMsPerFrame;
  const classes = p.topClasses.map((c) => `${c.label} ${(100 * c.share).toFixed(1)} %`).join(", ");
  return [
    `End to end, ${p.frames} frames in ${p.seconds.toFixed(1)} s, ${published}`,
    `  ${p.framesPerSecond.toFixed(1)} frames/s, batches of ${p.meanBatch.toFixed(1)} on average`,
    ...table([["milliseconds", "mean", "p50", "p99", "max"], ...stages]),
    `  explain is a batch's, with its wait for the batch before; the others are a frame's;`,
    `  a film as fast as it goes keeps every queue full: endToEnd is not a camera's latency`,
    `  processor time a frame: ${ms(total)} (this process ${ms(own)}, ffmpeg ${ms(decoder)})`,
    `  memory: peak ${mib(p.memory.peakRssBytes)}, window ${mib(p.memory.startRssBytes)} to ${mib(p.memory.endRssBytes)}, ffmpeg ${mib(p.memory.decoderPeakRssBytes)}`,
    `  event-loop delay: p50 ${ms(p.eventLoopDelay.p50Ms)}, p99 ${ms(p.eventLoopDelay.p99Ms)}, max ${ms(p.eventLoopDelay.maxMs)}`,
    `  set-up: model ${ms(p.setup.modelMs)}, sink ${ms(p.setup.sinkMs)}, first frame ${ms(p.setup.firstFrameMs)}`,
    `  seen: ${classes}`,
    ...(p.unacknowledged ? [`  ${p.unacknowledged} messages were not acknowledged yet at the end`] : []),
    ...(decode
      ? [`  decoding alone: ${decode.framesPerSecond} frames/s, ${ms(decode.cpuMsPerFrame)} of ffmpeg's a frame`]
      : []),
  ];
}

function choiceLines({ when, rounds, all, chosen, saved }: ChoiceFigures): string[] {
  const row = (name: string, side: SideFigures): string[] => [
    name,
    side.framesPerSecond.toFixed(1),
    ms(side.cpuMsPerFrame),
    `${side.explained} of ${side.frames}`,
    percent(side.explained / side.frames),
  ];
  const reasons = Object.entries(chosen.reasons).map(([reason, count]) => `${reason} ${count}`);
  return [
    `Explaining the frames that ${JSON.stringify(when)} chooses, beside all of them, ${rounds} windows each, in turn`,
    ...table([["", "frames/s", "processor time", "explained", ""], row("all", all), row("chosen", chosen)]),
    `  chosen for: ${reasons.join(", ") || "nothing"}; a frame may have several reasons`,
    `  ${percent(saved)} of the processor time a frame is saved`,
  ];
}

function engineLines(e: EngineFigures): string[] {
  const rows = e.rows.map((r) => [
    r.way,
    r.method,
    String(r.batch),
    r.forwardMsPerFrame.toFixed(2),
    r.explainMsPerFrame.toFixed(2),
    `${r.ratio.toFixed(2)}x`,
    String(r.rounds),
  ]);
  const programs = e.setup.programs.map((p) => [
    p.program,
    p.emitMs.toFixed(1),
    p.sessionMs.toFixed(1),
    p.firstRunMs.toFixed(1),
  ]);
  return [
    `Engine ${e.engine}, ${e.threads} threads, milliseconds a frame (median)`,
    ...table([["", "method", "batch", "forward", "with explanation", "ratio", "rounds"], ...rows]),
    `  session: one run of the engine; explainer: as the worker runs it, a batch shared out over its threads`,
    `  set-up, milliseconds: model file ${e.setup.loadModelMs}, explainers ready ${e.setup.explainers.map((x) => x.readyMs).join(", ")}`,
    ...table([["program", "emit", "session", "first run"], ...programs]),
    "",
    ...comparisonLines(e.engines),
  ];
}

function comparisonLines(places: readonly PlaceFigures[]): string[] {
  const run = places.flatMap((place) => ("name" in place ? [place] : []));
  const rows = run.flatMap(({ name, batches }) => batches.map((figures) => ({ name, ...figures })));
  const fastest = rows.toSorted((a, b) => a.explainMs - b.explainMs)[0];
  return [
    `Engines and devices here, milliseconds a frame (median)${fastest ? `; the fastest is ${fastest.name}, ${fastest.batch} at once` : ""}`,
    ...table([
      ["", "batch", "forward", "with explanation", "ratio"],
      ...rows.map(({ name, batch, forwardMs, explainMs }) => [
        name,
        String(batch),
        forwardMs.toFixed(2),
        explainMs.toFixed(2),
        `${(explainMs / forwardMs).toFixed(2)}x`,
      ]),
    ]),
    ...places.flatMap(({ engine, device, missing }) =>
      missing === undefined ? [] : [`  ${device === "cpu" ? engine : device}: ${missing}`],
    ),
  ];
}

/** The report for people. */
export function benchTable(report: BenchReport): string {
  const { machine, model, film, nats } = report;
  const { versions } = machine;
  const where = nats && "url" in nats ? `published to JetStream (nats-server ${nats.version})` : nats?.none;
  const lines = [
    `${model.name} (${model.inputWidth}x${model.inputHeight}) on ${film.name}`,
    `${machine.cpu}, ${machine.cores} cores, ${mib(machine.memoryBytes)}, load ${machine.loadAverage} at the start`,
    `video-explainer ${versions["video-explainer"]}, node ${versions.node}, ffmpeg ${versions.ffmpeg}, onnxruntime ${versions.onnxruntime}`,
  ];
  if (report.pipeline) lines.push("", ...pipelineLines(report.pipeline, report.decode, where ?? ""));
  if (report.pipeline?.choice) lines.push("", ...choiceLines(report.pipeline.choice));
  if (report.engine) lines.push("", ...engineLines(report.engine));
  return `${lines.join("\n")}\n`;
}
