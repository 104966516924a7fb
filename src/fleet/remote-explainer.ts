import sharp from "sharp";
import { VideoExplainerError } from "../errors.js";
import type { Explainer, ExplainInput, Explanation, ModelInfo } from "../explain/explanation.js";
import { loadModel, requirePreprocessing } from "../explain/model/load.js";
import { withTarget } from "../explain/model/target.js";
import { requireExplainable } from "../explain/programs/explainable.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import type { FrameTicket } from "../frame.js";
import { LeftOutError } from "../messages/ledger.js";
import type { FleetCapture } from "./capture.js";
import { workId } from "./names.js";
import { encodePicture } from "./picture.js";
import { type PictureType, readAnswer } from "./wire.js";

/** What is known of the model of a fleet without an engine. */
export interface FleetModel {
  model: ModelInfo;
  /** See `workId`. */
  work: string;
  notes: readonly string[];
}

/** Reads a model as far as its frames and labels are concerned. Throws an InputError where it cannot be explained. */
export function readFleetModel(options: ExplainerOptions): FleetModel {
  const loaded = loadModel(options.model, options);
  requirePreprocessing(loaded);
  const method = withTarget(options, loaded);
  requireExplainable(loaded, method);
  return { model: loaded.info, work: workId(loaded.info, method), notes: loaded.notes };
}

/** Source of pictures that belong to none. */
const REQUEST = "request";

/** An explainer whose threads are explain workers elsewhere: it gives each picture out by itself. */
export class RemoteExplainer implements Explainer {
  readonly device = "cpu";
  readonly hasClassifier = true;
  readonly fault = undefined;
  readonly model: ModelInfo;
  readonly notes: readonly string[];
  readonly work: string;
  readonly #running = new Set<Promise<unknown>>();
  readonly #startedAt = Date.now();
  /** Of the latest answer. */
  #engine = "fleet";
  #asked = 0;

  constructor(
    { model, work, notes }: FleetModel,
    private readonly capture: FleetCapture,
    private readonly how: { picture: PictureType; quality: number },
  ) {
    this.model = model;
    this.work = work;
    this.notes = notes;
    // As many encoders as the thread pool has threads are enough.
    sharp.concurrency(1);
    sharp.cache(false);
  }

  get engine(): string {
    return this.#engine;
  }

  async explain(batch: readonly ExplainInput[]): Promise<Explanation[]> {
    const found = await this.explainEach(batch);
    return found.map((one) => {
      if (one instanceof Error) throw one;
      return one;
    });
  }

  async explainEach(
    batch: readonly ExplainInput[],
    tickets: readonly FrameTicket[] = batch.map(() => this.#ticket()),
  ): Promise<(Explanation | Error)[]> {
    const all = Promise.all(
      batch.map((input, k) =>
        this.#ask(input, tickets[k]!).catch((error: unknown) =>
          error instanceof Error ? error : new Error(String(error)),
        ),
      ),
    );
    this.#running.add(all);
    return all.finally(() => this.#running.delete(all));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
    this.capture.removeWork(this.work);
  }

  async #ask(input: ExplainInput, ticket: FrameTicket): Promise<Explanation> {
    const { work, how } = this;
    const { classifyOnly, scale, interest } = input;
    const body = await encodePicture(input, this.model, how);
    const request = { classifyOnly, scale, ...(interest && { interest }) };
    const reported = await this.capture.ask({ work, ticket, body, type: how.picture, request });
    const answer = readAnswer(reported, this.model, input);
    if (answer.kind === "left-out") throw new LeftOutError(answer.why, answer.sentence);
    if (answer.kind === "failed") throw new VideoExplainerError("explaining", answer.sentence);
    this.#engine = answer.explanation.engine ?? this.#engine;
    return answer.explanation;
  }

  /** Whoever has a picture of their own explained waits for it, but not for ever. */
  #ticket(): FrameTicket {
    const [epoch, sequence, receivedAt] = [this.#startedAt, this.#asked++, performance.now()];
    return { source: REQUEST, epoch, sequence, receivedAt, isLive: true, givenOut() {} };
  }
}
