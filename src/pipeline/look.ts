import { InputError } from "../errors.js";
import type { PlanOptions, SourceSpec } from "./plan.js";
import { NoSizeError, type Probe, probe } from "./probe.js";
import type { SourceInput } from "./sources/kind.js";

/**
 * Looks at a stream: quickly first where its kind can, then as long as ffprobe wants, then with what the kind knows to help. Throws
 * what the last look threw.
 */
export async function look(
  { config, kind, mask, called }: SourceSpec,
  input: SourceInput,
  own: readonly string[],
  users: readonly string[],
  { timeoutMs, haste, signal }: Pick<PlanOptions, "timeoutMs" | "haste" | "signal">,
): Promise<Probe> {
  const once = (options: readonly string[]): Promise<Probe> =>
    probe({
      ...{ timeoutMs, haste, signal, mask, called },
      input: input.address,
      inputOptions: [...(kind.probeOptions?.(config) ?? own), ...options, ...users],
      live: kind.isLive,
    });
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
