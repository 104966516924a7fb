import { InputError } from "../errors.js";
import type { Haste } from "../ffmpeg/gate.js";
import type { FfmpegInput } from "../ffmpeg/hidden-address.js";
import { NoSizeError, type Probe, probe } from "../ffmpeg/probe.js";
import type { SourceSpec } from "./source-spec.js";

export interface LookOptions {
  timeoutMs: number;
  haste?: Haste;
  signal?: AbortSignal;
}

/**
 * Looks at a stream: quickly first where its kind can, then as long as ffprobe wants, then with what the kind knows to help. Throws
 * what the last look threw. `inputWith`: the input for ffprobe, with further options.
 */
export async function look(
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
