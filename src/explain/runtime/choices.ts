import { arch, availableParallelism, cpus } from "node:os";
import path from "node:path";
import { packageVersion } from "../../version.js";
import { DEVICES, type Device } from "../engine-names.js";
import { recall, remember } from "../engines/remembered.js";
import { type FileFingerprint, unchanged } from "../model/file-fingerprints.js";
import { CHOICES, CompiledStore, cacheFolder, compilerState } from "./compiled-store.js";
import type { ExplainerOptions } from "./explainer-options.js";

/** Which engine and device were the fastest for a model. */
export interface Choice {
  engine: string;
  device: Device;
  /** Why not the others, a sentence each. */
  skipped: string[];
  /** One of them did not pass: what it failed of may have passed by tomorrow. */
  hasRefusals: boolean;
  /** The files that the model was read from, as they were. */
  files: readonly FileFingerprint[];
}

/** A choice that had refusals is made again after a day. */
const REFUSED_MS = 86_400_000;

/** Where a choice is kept, beside the compiled models; undefined where nothing is. */
function fileOf(options: ExplainerOptions, classifyOnly: boolean, places: unknown): string | undefined {
  const folder = cacheFolder(options.cache);
  if (folder === undefined) return undefined;
  const { method, inputRule, start, target, top, grid, blur, engine, threads, streams, precision } = options;
  const key = CompiledStore.key([
    packageVersion(),
    compilerState(),
    [arch(), cpus()[0]?.model, availableParallelism()],
    [path.resolve(options.model), options.output],
    places,
    { method, inputRule, start, target, top, grid, blur, engine, threads, streams, precision, classifyOnly },
  ]);
  return path.join(folder, CHOICES, `${key}.json`);
}

/** What was chosen among these places for the model as it is; undefined where that is not known. */
export function recallChoice(options: ExplainerOptions, classifyOnly: boolean, places: unknown): Choice | undefined {
  const file = fileOf(options, classifyOnly, places);
  if (file === undefined) return undefined;
  return recall<Choice>(
    file,
    ({ device, hasRefusals, files }, ageMs) =>
      !(hasRefusals && ageMs > REFUSED_MS) && DEVICES.includes(device) && unchanged(files),
  );
}

/** Where it cannot be kept, the next start chooses again. */
export function rememberChoice(
  options: ExplainerOptions,
  classifyOnly: boolean,
  places: unknown,
  choice: Choice,
): void {
  const file = fileOf(options, classifyOnly, places);
  if (file !== undefined) remember(file, choice);
}
