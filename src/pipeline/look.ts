import type { SourceConfig } from "../config/schema.js";
import { InputError } from "../errors.js";
import type { Haste } from "../ffmpeg/gate.js";
import type { FfmpegInput } from "../ffmpeg/hidden-address.js";
import { NoSizeError, type Probe, probe } from "../ffmpeg/probe.js";
import type { SourceSpec } from "./source-spec.js";

export interface LookOptions {
  timeoutMs: number;
  haste?: Haste;
  signal?: AbortSignal;
  /** The source is opened soon: that connection need not look again. */
  remember?: boolean;
}

/** What was seen of sources that are not opened yet. */
const seen = new WeakMap<SourceConfig, { probe: Probe; at: number; revision: string }>();
/** What was seen longer ago may be another by now. */
const MAX_AGE_MS = 60_000;
const revisionOf = async ({ kind, config, baseDir }: SourceSpec): Promise<string> =>
  (await kind.revision?.(config, baseDir)) ?? "";

/** What was last seen of a source with `remember`, once, unless that is long ago or the file has changed. */
async function recalled(spec: SourceSpec): Promise<Probe | undefined> {
  const known = seen.get(spec.config);
  seen.delete(spec.config);
  if (!known || performance.now() - known.at > MAX_AGE_MS) return undefined;
  return known.revision === (await revisionOf(spec)) ? known.probe : undefined;
}

/**
 * Looks at a stream: quickly first where its kind can, then as long as ffprobe wants, then with what the kind knows to help. Throws
 * what the last look threw. `inputWith`: the input for ffprobe, with further options.
 */
export async function look(
  spec: SourceSpec,
  inputWith: (more: readonly string[]) => FfmpegInput,
  options: LookOptions,
): Promise<Probe> {
  if (!options.remember) return (await recalled(spec)) ?? lookNow(spec, inputWith, options);
  const revision = await revisionOf(spec);
  const probe = await lookNow(spec, inputWith, options);
  seen.set(spec.config, { probe, at: performance.now(), revision });
  return probe;
}

async function lookNow(
  { kind, mask, about }: SourceSpec,
  inputWith: (more: readonly string[]) => FfmpegInput,
  { timeoutMs, haste, signal }: LookOptions,
): Promise<Probe> {
  const once = (more: readonly string[]): Promise<Probe> => {
    const { address, stdin, inputOptions } = inputWith(more);
    const asked = { timeoutMs, haste, signal, mask, about, live: kind.isLive };
    return probe({ ...asked, input: address, stdin, inputOptions });
  };
  if (kind.quickLook) {
    try {
      return await once(kind.quickLook);
    } catch (error) {
      // Of what was sent first: sound, or a picture that needs another before it.
      if (!(error instanceof InputError) || signal?.aborted) throw error;
    }
  }
  try {
    return await once([]);
  } catch (error) {
    const options = error instanceof NoSizeError ? kind.anotherLook?.(error.format) : undefined;
    if (!options) throw error;
    return once(options);
  }
}
