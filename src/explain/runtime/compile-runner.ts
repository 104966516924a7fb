import { rmSync } from "node:fs";
import { arch, cpus } from "node:os";
import path from "node:path";
import { VideoExplainerError } from "../../errors.js";
import { distrust } from "../../trust.js";
import { packageVersion } from "../../version.js";
import type { Device } from "../engine-names.js";
import type { EngineOptions, Runner } from "../engines/engine.js";
import { engineNamed, preparingNamed } from "../engines/registry.js";
import { type LoadedModel, loadModel, ofModel, requirePreprocessing } from "../model/load.js";
import { withTarget } from "../model/target.js";
import { completed } from "../options.js";
import type { Program } from "../program/program.js";
import { framesProgram } from "../programs/frames.js";
import { activationsOf } from "./activations.js";
import { type CompiledModel, CompiledStore, cacheFolder, compilerState } from "./compiled-store.js";
import type { ExplainerOptions } from "./explainer-options.js";

/** A model's program, ready to run, with what the model says about itself. */
export interface CompiledRunner extends Omit<CompiledModel, "prepared"> {
  runner: Runner;
  /** Its engine by name; `auto` where another thread may choose anew. */
  engine: string;
  device: Device;
  adapter?: string;
  /** What went wrong on the way and was mended, one sentence each. */
  notes: string[];
}

/** A device to compile for. */
export interface Place {
  device: Device;
  /** See `EngineOptions.adapter`. */
  adapter?: string;
  /** A frame is timed in the trial. */
  measure?: boolean;
}

/**
 * The frames program of a model on its engine and a device, from the cache of compiled models where it holds it.
 * @throws InputError or ModelError when model, card, method or target are wrong
 */
export async function compileOn(
  place: Place,
  options: ExplainerOptions,
  classifyOnly: boolean,
): Promise<CompiledRunner> {
  const at = { device: place.device, adapter: place.adapter };
  const engineOptions: EngineOptions = {
    ...place,
    threads: options.threads,
    precision: options.precision,
    streams: options.streams,
    shared: options.shared?.[classifyOnly ? "classifier" : "explainer"],
    trialMs: options.trialMs,
  };
  const wanted = cacheFolder(options.cache);
  const doubt = wanted === undefined ? null : distrust(wanted, "folder alone");
  const folder = doubt === null ? wanted : undefined;
  engineOptions.verdictCache = folder ?? null;
  const chosen = folder === undefined ? undefined : preparingNamed(options.engine, engineOptions);
  if (folder === undefined || chosen === undefined) {
    const made = await fresh(options, engineOptions, classifyOnly);
    return doubt === null ? made : { ...made, notes: [`compiled models are not kept: ${doubt}`, ...made.notes] };
  }
  const { engine, skipped } = chosen;
  const store = new CompiledStore(folder, options.cacheBytes);
  const { method, inputRule, start, target, top, grid, blur } = completed(options);
  const key = CompiledStore.key([
    packageVersion(),
    compilerState(),
    [chosen.name, chosen.version],
    [arch(), cpus()[0]?.model],
    [path.resolve(options.model), options.output],
    [place.device, place.adapter ?? null, options.precision ?? "float32"],
    { method, inputRule, start, target, top, grid, blur, classifyOnly },
  ]);
  const notes: string[] = [];
  /** What the next engine makes of it. */
  const other = async (refusal: Error, soFar: readonly string[]): Promise<CompiledRunner> => {
    const made = await compileOn(place, { ...options, engine: chosen.next! }, classifyOnly);
    const all = [...skipped, refusal.message, ...(made.runner.skipped ?? [])];
    return { ...made, runner: { ...made.runner, skipped: all }, notes: [...soFar, ...made.notes] };
  };
  const found = store.find(key);
  if (found.problem) notes.push(found.problem);
  if (found.folder && found.entry) {
    try {
      const { prepared, ...about } = found.entry;
      const runner = { ...(await engine.open(found.folder, prepared, engineOptions)), skipped };
      return { ...about, runner, engine: chosen.name, ...at, notes: [...about.remarks, ...notes] };
    } catch (error) {
      if (isRefused(error) && chosen.next !== undefined) return other(error, notes);
      // A device has reasons of its own, which compiling again would not change.
      if (isRefused(error) && place.device !== "cpu") throw error;
      notes.push(`the compiled model ${found.folder} cannot be opened (${(error as Error).message}) and is made again`);
    }
  }
  const begun = store.begin(key);
  if (begun === undefined) return withNotes(await fresh(options, engineOptions, classifyOnly), notes);
  const { take, ...about } = load(options, classifyOnly);
  try {
    const { prepared, open } = await engine.prepare(take, engineOptions, begun);
    const runner = { ...(await open()), skipped };
    store.commit(key, begun, { ...about, prepared });
    return { ...about, runner, engine: chosen.name, ...at, notes: [...about.remarks, ...notes] };
  } catch (error) {
    rmSync(begun, { recursive: true, force: true });
    if (isRefused(error) && chosen.next !== undefined) return other(error, notes);
    if (error instanceof VideoExplainerError) throw error;
    // A full disk costs the cache, not the start.
    notes.push(`the compiled model is not kept in ${folder} (${(error as Error).message})`);
    return withNotes(await fresh(options, engineOptions, classifyOnly), notes);
  }
}

const withNotes = (made: CompiledRunner, notes: readonly string[]): CompiledRunner => ({
  ...made,
  notes: [...made.notes, ...notes],
});

const isRefused = (error: unknown): error is VideoExplainerError =>
  error instanceof VideoExplainerError && error.code === "engine-refused";

async function fresh(
  options: ExplainerOptions,
  engineOptions: EngineOptions,
  classifyOnly: boolean,
): Promise<CompiledRunner> {
  const { take, ...about } = load(options, classifyOnly);
  const runner = await engineNamed(options.engine)(take, engineOptions);
  return {
    ...about,
    runner,
    engine: options.engine,
    device: engineOptions.device,
    adapter: engineOptions.adapter,
    notes: [...about.remarks],
  };
}

/** What there is to know of a model, and its program; once that is taken, the weights are free for the collector. */
function load(options: ExplainerOptions, classifyOnly: boolean) {
  let model: LoadedModel | undefined = loadModel(options.model, options);
  const { info, files, notes: remarks } = model;
  const method = withTarget(options, model);
  const preprocessing = requirePreprocessing(model);
  const activations = activationsOf(model.network);
  const take = (): Program => {
    const { file, network } = model ?? loadModel(options.model, options);
    model = undefined;
    return ofModel({ file }, () => framesProgram(network, method, preprocessing, options, classifyOnly));
  };
  return { info, files, preprocessing, activations, remarks, take };
}
