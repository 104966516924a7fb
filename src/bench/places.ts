import { type Device, ENGINE_NAMES, ENGINE_OF, type EngineName } from "../explain/engine-names.js";
import { identityOf, lookForDevices } from "../explain/engines/devices/look.js";
import type { NumericTensor, Runner } from "../explain/engines/engine.js";
import { engineNamed } from "../explain/engines/registry.js";
import { type LoadedModel, requirePreprocessing } from "../explain/model/load.js";
import { DEFAULT_METHOD } from "../explain/options.js";
import { framesProgram } from "../explain/programs/frames.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import { rounded } from "./figures.js";
import { interleaved } from "./interleaved.js";

/** An engine on a device. */
export interface BenchPlace {
  engine: EngineName;
  device: Device;
  /** See `EngineOptions.adapter`. */
  adapter?: string;
}

/** What explaining costs in a place by the default method; `missing`: why the place has no figures, or none of larger batches. */
export type PlaceFigures = Pick<BenchPlace, "engine" | "device"> &
  ({ name: string; batches: BatchFigures[]; missing?: string } | { missing: string });

/** Medians, in milliseconds a frame. */
interface BatchFigures {
  batch: number;
  forwardMs: number;
  explainMs: number;
}

/** The processor gains little by larger batches; a card is made for them. */
const PROCESSOR_BATCHES = [1, 8];
const DEVICE_BATCHES = [1, 8, 32];

/** Every engine on the processor, every other device that is found, and the one that was asked for by name. */
export async function placesHere(asked: Device | "auto"): Promise<BenchPlace[]> {
  const places: BenchPlace[] = ENGINE_NAMES.map((engine) => ({ engine, device: "cpu" }));
  for (const { engine, device, identity } of await lookForDevices()) places.push({ engine, device, adapter: identity });
  if (asked !== "auto" && asked !== "cpu" && places.every(({ device }) => device !== asked))
    places.push({ engine: ENGINE_OF[asked], device: asked, adapter: await identityOf() });
  return places;
}

/**
 * Runs the forward pass and the explanation in turn (A B A B …) in every place that loads, by batch, up to the first that fails there: a
 * card's memory may hold no larger one.
 * @param feeds the inputs of a frames program for so many frames
 * @param seconds for each place and batch
 */
export async function comparePlaces(
  model: LoadedModel,
  explained: ExplainerOptions,
  places: readonly BenchPlace[],
  feeds: (batch: number) => Record<string, NumericTensor>,
  seconds: number,
  stop: AbortSignal,
): Promise<PlaceFigures[]> {
  const { threads, precision } = explained;
  const programs = [true, false].map((classifyOnly) =>
    framesProgram(model.network, DEFAULT_METHOD, requirePreprocessing(model), explained, classifyOnly),
  );
  const compared: PlaceFigures[] = [];
  for (const { engine, device, adapter } of places) {
    const runners: Runner[] = [];
    const batches: BatchFigures[] = [];
    try {
      for (const program of programs)
        runners.push(await engineNamed(engine)(program, { device, adapter, threads, precision }));
      const [forward, explain] = runners as [Runner, Runner];
      for (const batch of device === "cpu" ? PROCESSOR_BATCHES : DEVICE_BATCHES) {
        const feed = feeds(batch);
        const got = await interleaved(
          () => forward.run(feed),
          () => explain.run(feed),
          seconds,
          stop,
        );
        batches.push({ batch, forwardMs: rounded(got.a / batch), explainMs: rounded(got.b / batch) });
      }
      compared.push({ engine, device, name: explain.name, batches });
    } catch (error) {
      if (stop.aborted) throw error;
      const [missing] = (error as Error).message.split("\n") as [string];
      const [, explain] = runners;
      if (explain && batches.length > 0) compared.push({ engine, device, name: explain.name, batches, missing });
      else compared.push({ engine, device, missing });
    } finally {
      await Promise.all(runners.map((runner) => runner.close()));
    }
  }
  return compared;
}
