import { basename, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { BATCHES, benchEngine, COMPARED_METHODS } from "../bench/engine.js";
import { benchDecoding, firstFrames } from "../bench/frames.js";
import { describeMachine } from "../bench/machine.js";
import { type NatsTarget, natsTarget } from "../bench/nats-target.js";
import { benchPipeline } from "../bench/pipeline.js";
import type { BenchReport } from "../bench/report.js";
import { explainFaults, type When, whenSchema } from "../config/choice.js";
import { unknownLabels } from "../config/choice-labels.js";
import { checked } from "../config/request.js";
import { configSchema, natsSinkSchema, type SourceConfig, sourceSchema } from "../config/schema.js";
import { parseYaml } from "../config/syntax.js";
import { InputError, inContext } from "../errors.js";
import { type MethodName, R_LRP_NAMES } from "../explain/method-names.js";
import { loadModel, requirePreprocessing } from "../explain/model/load.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import type { Rect } from "../frame.js";
import { checkSource } from "../pipeline/index.js";
import { redact, redactWhole } from "../redact.js";
import { defaultEngine, explainerOptions } from "../station/explainer-options.js";
import {
  type EngineChoice,
  ModelCommand,
  modelOption,
  modelOutputOption,
  number,
  region,
  SHIPPED_FILM,
  SHIPPED_FILM_REGION,
  wholeNumber,
} from "./arguments.js";
import { benchTable } from "./bench-table.js";
import { interruptible } from "./interrupt.js";
import { sayModelNotes } from "./model-notes.js";

interface BenchOptions extends EngineChoice {
  model: string;
  modelOutput?: string;
  method: MethodName;
  film: string;
  region?: Rect;
  seconds: number;
  only?: "engine" | "pipeline";
  nats?: string | false;
  maxBatch: number;
  when?: When;
  json?: boolean;
}

const PREFIX = "video-explainer-bench";
/** Decoding alone needs less time to be known. */
const DECODE_SHARE = 0.2;

function filmOf(options: BenchOptions): SourceConfig {
  const url = resolve(options.film);
  const watched = options.region ?? (url === resolve(SHIPPED_FILM) ? SHIPPED_FILM_REGION : undefined);
  const how = { loop: true, pace: "fast", policy: "every-frame" };
  return checked(sourceSchema, { name: "film", url, ...how, region: watched }, "bench");
}

/** The explainer that is measured end to end, and by itself with other methods. */
function explainerOf(options: BenchOptions): ExplainerOptions {
  const { model, modelOutput, method, engine: kind, device, threads, precision } = options;
  return explainerOptions({
    model: { path: model, output: modelOutput },
    engine: { ...defaultEngine(), kind, device, threads, ...(precision && { precision }) },
    explain: checked(configSchema.shape.explain, { method }, "bench"),
  });
}

/** Reasons as `explain.when` of a configuration has them, in YAML. */
function readWhen(text: string): When {
  const { document, faults } = parseYaml(text);
  if (faults.length > 0)
    throw new InvalidArgumentError("write it as in a configuration: { changed: true, below: 0.6 }");
  const when = checked(whenSchema, document.toJS({ maxAliasCount: 20 }), "--when");
  const { every, top } = configSchema.shape.explain.parse(undefined);
  const [fault] = explainFaults({ every, top, when });
  if (fault) throw new InputError("config", fault.text);
  return when;
}

function refuseUnknownLabels(when: When | undefined, labels: readonly string[]): void {
  const [fault] = unknownLabels({ explain: { when: when ?? null }, sinks: [] }, labels);
  if (fault) throw new InputError("label", fault.text);
}

async function measure(options: BenchOptions, stop: AbortSignal): Promise<BenchReport> {
  if (options.when && options.only === "engine") {
    throw new InputError(
      "bench",
      "--when is measured end to end, which --only engine leaves out; leave out one of them",
    );
  }
  const source = filmOf(options);
  const explainer = explainerOf(options);
  const { info } = ((): ReturnType<typeof loadModel> => {
    const model = loadModel(options.model, { output: options.modelOutput });
    sayModelNotes(model);
    requirePreprocessing(model);
    refuseUnknownLabels(options.when, model.info.labels);
    return model;
  })();
  const machine = await describeMachine();
  await checkSource(source, "/").catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    throw inContext(error, { source: undefined });
  });
  const { method, engine, device, threads, precision = "float32", maxBatch, seconds } = options;
  const report: BenchReport = {
    benchmark: "video-explainer",
    time: new Date().toISOString(),
    machine,
    model: { name: info.name, sha256: info.sha256, inputWidth: info.inputWidth, inputHeight: info.inputHeight },
    film: { name: basename(options.film), region: source.region ?? null },
    settings: { method, engine, device, threads, precision, maxBatch, seconds },
    decode: null,
    pipeline: null,
    nats: null,
    engine: null,
  };
  const say = (text: string): void => void (options.json || process.stderr.write(`${redact(text)}\n`));
  // The pipeline comes first: its peak of memory must not be the engine bench's.
  if (options.only !== "engine") {
    const target = options.nats === false ? "told not to publish" : await natsTarget(options.nats);
    const nats = typeof target === "string" ? undefined : target;
    report.nats = nats
      ? { url: redactWhole(nats.url), version: nats.version, started: nats.started }
      : { none: target as string };
    say(`end to end: ${seconds} s on ${report.film.name}, ${nats ? `publishing to ${nats.url}` : target}`);
    const station = `bench-${process.pid}`;
    const into = checked(natsSinkSchema, { kind: "nats", prefix: PREFIX, jetstream: true }, "bench");
    const sink = nats && { ...into, servers: [nats.url] };
    const batches = { ...defaultEngine(), maxBatch };
    const overlay = configSchema.shape.overlay.parse(undefined);
    const asked = { station, source, explainer, overlay, batches, nats: sink, seconds, when: options.when ?? null };
    report.pipeline = await withStream(nats, station, () => benchPipeline(asked, stop));
    say("decoding alone");
    report.decode = await benchDecoding(source, info, seconds * DECODE_SHARE, stop);
  }
  if (options.only !== "pipeline") {
    say(`engine alone: ${seconds} s for ${COMPARED_METHODS.length} methods and batches of ${BATCHES.join(", ")}`);
    const frames = await firstFrames(source, info, Math.max(...BATCHES), stop);
    stop.throwIfAborted();
    report.engine = await benchEngine({ explainer, frames, seconds }, stop);
  }
  return report;
}

/** Whatever came of the work, what it published is deleted. */
async function withStream<T>(nats: NatsTarget | undefined, station: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await nats?.close(`${PREFIX}-${station}`);
  }
}

async function bench(options: BenchOptions): Promise<void> {
  const stopped = await interruptible(async (stop) => {
    const report = await measure(options, stop);
    process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : benchTable(report));
  });
  if (stopped) process.exitCode = stopped;
}

/** `video-explainer bench` */
export const benchCommand = (): Command =>
  new ModelCommand("bench")
    .description("measure throughput, latency and what explaining costs beside classifying")
    .addOption(modelOption())
    .addOption(modelOutputOption())
    .addOption(new Option("--method <name>", "method, end to end").choices(R_LRP_NAMES).default(R_LRP_NAMES[0]))
    .addOption(
      new Option("--film <path>", "film, played over and over").default(SHIPPED_FILM, "the shipped bottles.mp4"),
    )
    .option(
      "--region <x,y,w,h>",
      "pixels of the frame that are explained (default: of the shipped film its bottles)",
      region,
    )
    .option("--seconds <n>", "measuring time of each part, after the warm-up", number(0, 36_000, false), 20)
    .addOption(new Option("--only <part>", "one part").choices(["engine", "pipeline"]))
    .option("--nats <url>", "publish there (default: 127.0.0.1:4222, else a nats-server of its own)")
    .option("--no-nats", "publish nowhere")
    .engineOptions()
    .option("--max-batch <n>", "frames in a batch, end to end", wholeNumber(1, 256), 8)
    .option(
      "--when <reasons>",
      "measure explaining only the frames that these reasons choose beside all of them, end to end, in turn: explain.when of a configuration, such as '{ changed: true, below: 0.6 }'",
      readWhen,
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Two parts, set-up cost apart from the cost a frame:
  end to end: decode, classify, explain, draw and publish (to JetStream, into a stream that is deleted afterwards), on a
    looping film as fast as it goes: frames a second, milliseconds by stage, processor time, memory, event-loop delay;
    with --when as long again, explaining all frames beside those that are chosen, in turn (A B A B)
  engine: the forward pass alone beside forward pass and explanation, in turn (A B A B), medians, by batch

Other programs on the machine spoil the figures: the load average is part of them.

Examples:
  $ video-explainer bench
  $ video-explainer bench --only pipeline --when '{ changed: true, below: 0.5 }'
  $ video-explainer bench --model models/inspection-cnn --film belt.mp4 --json > bench.json`,
    )
    .action(bench);
