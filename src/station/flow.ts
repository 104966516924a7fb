import type { Config } from "../config/schema.js";
import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import { modelRows } from "../frame.js";
import { InOrder } from "../in-order.js";
import type { Logger } from "../log.js";
import { epochId, makeMessage } from "../messages/headers.js";
import type { OutMessage } from "../messages/message.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer, OverlayResult } from "../overlay/overlay.js";
import type { Frame } from "../pipeline/index.js";
import type { Course } from "./course.js";
import type { Delivery } from "./deliver.js";
import { summarise } from "./summarise.js";

/** What may change while frames flow; frames on their way keep what they began with. */
export interface FlowSettings {
  explainer: Explainer;
  /** Explain each Nth frame of a source. */
  every: number;
  overlay: Config["overlay"];
}

export interface FlowParts {
  station: string;
  renderer: OverlayRenderer;
  delivery: Delivery;
  metrics: Metrics;
  log: Logger;
  course(source: string): Course;
}

/** How a batch was explained: with what, since when and for how long, in milliseconds of `performance.now()`. */
interface BatchRun {
  settings: FlowSettings;
  startedAt: number;
  explainMs: number;
  size: number;
}

const encoder = new TextEncoder();

/**
 * The way of a batch: explained, drawn, summarised, delivered. A frame's memory is released once the sinks have taken its
 * messages; in its ledger it is in flight until they have published or dropped its summary.
 */
export class FrameFlow {
  readonly #explained = new InOrder();

  constructor(
    private readonly parts: FlowParts,
    public settings: FlowSettings,
  ) {}

  /** Resolves when the frames are explained and on their way to the sinks, behind those of earlier batches. */
  async take(frames: readonly Frame[]): Promise<void> {
    const { metrics, log } = this.parts;
    const { settings } = this;
    const startedAt = performance.now();
    // A source may be removed while its last frames are on their way.
    const courses = frames.map((frame) => this.parts.course(frame.source));
    const inputs = frames.map((frame, k) => {
      const course = courses[k]!;
      return {
        memory: frame.memory,
        ...modelRows(frame.layout),
        // Not by its sequence: of a live source every frame with the right number may have been dropped.
        classifyOnly: course.taken++ % settings.every !== 0,
        scale: course.scale.scale,
      };
    });
    metrics.batch(frames.length);
    for (const frame of frames) metrics.stage("queue", (startedAt - frame.receivedAt) / 1000);
    // What is retried alone must not be overtaken by the next batch.
    const results = await this.#explained.next(explainEach(settings.explainer, inputs));
    const run = { settings, startedAt, explainMs: performance.now() - startedAt, size: frames.length };
    metrics.stage("explain", run.explainMs / 1000);
    for (const [k, result] of results.entries()) {
      const frame = frames[k]!;
      if (!(result instanceof Error)) {
        this.#follow(frame, courses[k]!, result, run);
        continue;
      }
      log.error(`source ${frame.source}, frame ${frame.sequence} could not be explained: ${result.message}`);
      courses[k]!.ledger.dropped("explain-error");
      frame.release();
    }
  }

  /** Draws at once, delivers behind the frame before it. */
  #follow(frame: Frame, course: Course, explanation: Explanation, run: BatchRun): void {
    const { counts, scale } = course;
    counts.lastFrame(frame.capturedAt);
    counts.prediction(explanation.top[0]!.label);
    if (explanation.relevance) {
      counts.concentration(explanation.relevance.concentration);
      scale.add(explanation.relevance.peak);
    }
    const drawn = this.#draw(frame, explanation, run.settings.overlay);
    course.delivered = course.delivered.then(async () => {
      try {
        await this.#deliver(frame, course, explanation, run, await drawn);
      } catch (error) {
        this.parts.log.error(`source ${frame.source}, frame ${frame.sequence}: ${(error as Error).message}`);
        course.ledger.dropped("explain-error");
      } finally {
        frame.release();
      }
    });
  }

  /** A picture that cannot be drawn costs that picture, not the summary. */
  async #draw(frame: Frame, explanation: Explanation, style: Config["overlay"]): Promise<OverlayResult | undefined> {
    const { delivery, renderer, metrics, log } = this.parts;
    const want = {
      overlay: explanation.relevance !== null && delivery.wants("overlay"),
      heatmap: explanation.relevance !== null && delivery.wants("heatmap"),
      original: delivery.wantsOriginal(frame.source),
    };
    if (!want.overlay && !want.heatmap && !want.original) return undefined;
    try {
      const result = await renderer.render({
        memory: frame.memory,
        layout: frame.layout,
        heatmap: explanation.relevance?.heatmap ?? null,
        style,
        caption: explanation.target,
        want,
      });
      metrics.stage("overlay", result.milliseconds / 1000);
      return result;
    } catch (error) {
      log.error(`source ${frame.source}, frame ${frame.sequence}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async #deliver(
    frame: Frame,
    course: Course,
    explanation: Explanation,
    run: BatchRun,
    drawn: OverlayResult | undefined,
  ): Promise<void> {
    const { station, delivery } = this.parts;
    const { explainer } = run.settings;
    const { relevance } = explanation;
    const parts = {
      station,
      source: frame.source,
      epoch: epochId(course.openedAt, frame.epoch),
      sequence: frame.sequence,
      time: new Date(frame.capturedAt).toISOString(),
      whenFull: frame.policy === "every-frame" ? ("wait" as const) : ("drop" as const),
    };
    const headers = relevance ? { "Relevance-Scale": String(relevance.scale) } : undefined;
    const summaryMessage = makeMessage({ ...parts, kind: "summary", body: new Uint8Array() });
    const now = performance.now();
    const summary = summarise({
      id: summaryMessage.id,
      station,
      frame,
      model: explainer.model,
      engine: explainer.engine,
      explanation,
      timing: {
        queueMs: rounded(run.startedAt - frame.receivedAt),
        explainMs: rounded(run.explainMs),
        overlayMs: rounded(drawn?.milliseconds ?? 0),
        totalMs: rounded(now - frame.receivedAt),
        batchSize: run.size,
      },
    });
    const messages: OutMessage[] = [{ ...summaryMessage, body: encoder.encode(JSON.stringify(summary)) }];
    if (drawn?.overlay) messages.push(makeMessage({ ...parts, kind: "overlay", body: drawn.overlay, headers }));
    if (drawn?.heatmap) messages.push(makeMessage({ ...parts, kind: "heatmap", body: drawn.heatmap, headers }));
    const outcome = { source: frame.source, summary, messages, original: drawn?.original };
    await delivery.write({ ...outcome, placement: frame.layout.placement }, (published) => {
      settle(frame, course, explanation, published);
    });
  }
}

/** Enters a frame into its ledger when it is known whether its summary arrived. */
function settle(frame: Frame, { ledger, counts }: Course, { relevance }: Explanation, published: boolean): void {
  if (!published) return ledger.dropped("sink-overflow");
  if (relevance) ledger.explained();
  else ledger.classified();
  counts.endToEnd((performance.now() - frame.receivedAt) / 1000);
}

/** A frame that fails costs that frame: when a batch fails, each of its frames is tried alone. */
async function explainEach(explainer: Explainer, inputs: readonly ExplainInput[]): Promise<(Explanation | Error)[]> {
  try {
    return await explainer.explain(inputs);
  } catch (error) {
    if (inputs.length === 1) return [error instanceof Error ? error : new Error(String(error))];
    return (await Promise.all(inputs.map((input) => explainEach(explainer, [input])))).flat();
  }
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
