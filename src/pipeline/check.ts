import type { SourceConfig } from "../config/schema.js";
import { checkHardware } from "../ffmpeg/hardware.js";
import { ffmpegVersion } from "../ffmpeg/version.js";
import type { ModelView } from "../fit.js";
import { type DecodePlan, planDecoding } from "./plan.js";
import { sourceSpec } from "./source-spec.js";

/** Any model's view will do to check a source before the model is loaded. */
const ANY_VIEW: ModelView = { inputWidth: 224, inputHeight: 224, fit: "stretch" };

/**
 * Checks at start what can be known at start: the kind of the address, the name of the hardware and, for films and
 * pictures, that they are there, hold video, and contain the region. A live source that is away is no fault. Throws an
 * `InputError` of one sentence. Resolves to what is known of its frames, where that is without connecting to it. Who opens
 * the same configuration within a minute does not look at the film again.
 */
export async function checkSource(
  config: SourceConfig,
  baseDir: string,
): Promise<Pick<DecodePlan, "layout" | "pictures"> | undefined> {
  const spec = sourceSpec(config, baseDir);
  await checkHardware(config.hardware, spec.about);
  if (spec.kind.isLive && !spec.kind.size) return undefined;
  await spec.kind.input(config, baseDir);
  return planDecoding(spec, ANY_VIEW, await ffmpegVersion(), { timeoutMs: 20_000, remember: true });
}
