import { availableParallelism } from "node:os";
import type { EngineName } from "../engine-names.js";
import { type Accelerator, identityOf, lookForDevices } from "../engines/devices/look.js";
import { acceleratorsFor, isSkippable, versionOf } from "../engines/registry.js";
import { type Choice, recallChoice, rememberChoice } from "./choices.js";
import { type CompiledRunner, compileOn, type Place } from "./compile-runner.js";
import type { ExplainerOptions } from "./explainer-options.js";

/** Why no accelerator was taken where there is none. */
const NONE = "no graphics card";

/**
 * The frames program of a model on the device that is asked for. `auto` takes the fastest of those that are here: each that agrees with
 * the processor (see `passTrial`) is timed once, and so is the processor; what came of it is remembered until model, program, device or
 * driver change.
 * @param look tells what there is
 * @throws InputError or ModelError when model, card, method or target are wrong
 */
export async function compileRunner(
  options: ExplainerOptions,
  classifyOnly: boolean,
  look = lookForDevices,
): Promise<CompiledRunner> {
  if (options.device !== "auto") return compileOn(await named(options.device, options.adapter), options, classifyOnly);
  if (options.engine === "tfjs") return compileOn({ device: "cpu" }, options, classifyOnly);
  const found = await look();
  const { places, missing } = placesAmong(acceleratorsFor(options.engine, found));
  if (places.length === 0) {
    const reasons = found.length === 0 ? [NONE] : missing;
    return because(reasons, await compileOn({ device: "cpu" }, options, classifyOnly));
  }
  const known = recallChoice(options, classifyOnly, places);
  const recalled = known && (await again(known, options, classifyOnly, places));
  if (recalled) return because(missing, recalled);
  const { made, choice } = await fastest(options, classifyOnly, places);
  rememberChoice(options, classifyOnly, places, choice);
  return because(missing, made);
}

interface NamedPlace extends Place {
  engine: EngineName;
  name: string;
  /** Of the engine's library. */
  version: string;
}

/** Devices whose engine is there, and why the others are none. */
function placesAmong(accelerators: readonly Accelerator[]): { places: NamedPlace[]; missing: string[] } {
  const missing: string[] = [];
  const places = accelerators.flatMap(({ engine, device, name, identity }): NamedPlace[] => {
    try {
      return [{ engine, device, name, adapter: identity, version: versionOf(engine, device) }];
    } catch (error) {
      if (!isSkippable(error)) throw error;
      missing.push(error.message);
      return [];
    }
  });
  return { places, missing };
}

const named = async (device: Place["device"], adapter?: string): Promise<Place> =>
  device === "cpu" ? { device } : { device, adapter: adapter ?? (await identityOf()) };

const because = (reasons: readonly string[], made: CompiledRunner): CompiledRunner => ({
  ...made,
  runner: { ...made.runner, skipped: [...reasons, ...(made.runner.skipped ?? [])] },
});

/** What was chosen before; undefined where it does not run any more. */
async function again(
  { engine, device, skipped }: Choice,
  options: ExplainerOptions,
  classifyOnly: boolean,
  places: readonly NamedPlace[],
): Promise<CompiledRunner | undefined> {
  const adapter = places.find((p) => p.engine === engine && p.device === device)?.adapter;
  try {
    return because(skipped, await compileOn({ device, adapter }, { ...options, engine }, classifyOnly));
  } catch (error) {
    if (!isSkippable(error)) throw error;
    return undefined;
  }
}

interface Timed {
  place: Place & { name: string };
  /** What it is asked for by. */
  engine: string;
  made: CompiledRunner;
  frameMs: number;
}

/** Tries each place and the processor, and leaves the fastest open. */
async function fastest(
  options: ExplainerOptions,
  classifyOnly: boolean,
  places: readonly NamedPlace[],
): Promise<{ made: CompiledRunner; choice: Choice }> {
  const refusals: string[] = [];
  const losers: Timed[] = [];
  let best: Timed | undefined;
  const enter = async (engine: string, place: Place & { name: string }, given: ExplainerOptions): Promise<void> => {
    const { device, adapter } = place;
    const made = await compileOn({ device, adapter, measure: true }, { ...given, engine }, classifyOnly);
    const entered: Timed = { place, engine, made, frameMs: made.runner.verdict?.frameMs ?? Number.POSITIVE_INFINITY };
    const [winner, loser] = best === undefined || entered.frameMs < best.frameMs ? [entered, best] : [best, entered];
    best = winner;
    if (loser === undefined) return;
    losers.push(loser);
    await loser.made.runner.close();
  };
  const entering = async (...words: Parameters<typeof enter>): Promise<void> => {
    try {
      await enter(...words);
    } catch (error) {
      if (!isSkippable(error)) throw error;
      refusals.push(error.message);
    }
  };
  for (const { engine, device, name, adapter } of places) await entering(engine, { device, name, adapter }, options);
  if (best === undefined) {
    // Nothing to compare with: the processor need not be timed.
    const made = await compileOn({ device: "cpu" }, options, classifyOnly);
    return ended(made, options.engine, refusals, refusals);
  }
  const { threads, streams = 1 } = options;
  // One after the other a frame has all threads.
  const all = { ...options, threads: threads * streams || availableParallelism(), streams: 1 };
  await entering(options.engine, { device: "cpu", name: "the processor" }, all);
  const won = best as Timed;
  const slower = losers.map((t) => slowerThan(won, t));
  const reasons = [...slower, ...refusals];
  if (won.place.device !== "cpu") return ended(won.made, won.engine, reasons, refusals);
  // Compiled again, for as many threads as will run it.
  await won.made.runner.close();
  return ended(await compileOn({ device: "cpu" }, options, classifyOnly), options.engine, reasons, refusals);
}

const ended = (
  made: CompiledRunner,
  engine: string,
  skipped: string[],
  { length: refusals }: readonly string[],
): { made: CompiledRunner; choice: Choice } => ({
  made: because(skipped, made),
  choice: { engine, device: made.device, skipped, hasRefusals: refusals > 0, files: made.files },
});

const title = ({ place, made }: Timed): string =>
  place.device === "cpu" ? `the processor (${made.runner.name})` : `${place.device} (${place.name})`;

const slowerThan = (won: Timed, lost: Timed): string =>
  `${title(lost)} takes ${lost.frameMs.toFixed(1)} ms a frame and ${title(won)} ${won.frameMs.toFixed(1)}`;
