import { VideoExplainerError } from "../../errors.js";
import type { ExplainInput, Explanation } from "../explanation.js";

type ExplainBatch = (batch: readonly ExplainInput[]) => Promise<Explanation[]>;

export interface FallBack {
  /** Its name, for the sentence. */
  device: string;
  /** Makes what explains instead, and gives its engine's name; undefined where the device was asked for by name. */
  instead?: () => Promise<{ engine: string; explain: ExplainBatch }>;
  /** Told once: nothing is explained on the device any more. `engine`: what explains instead. */
  lost(sentence: string, engine?: string): void;
}

/**
 * Explains on a device until it fails twice in a row, for a batch may be too large for what is left of its memory. From then on the
 * processor explains, that batch first, or every batch fails at once.
 */
export function fallingBack(onDevice: ExplainBatch, { device, instead, lost }: FallBack): ExplainBatch {
  let current = onDevice;
  return async (batch) => {
    try {
      return await current(batch);
    } catch (error) {
      if (current !== onDevice || !isDeviceFailure(error)) throw error;
    }
    try {
      return await onDevice(batch);
    } catch (error) {
      if (!isDeviceFailure(error)) throw error;
      const why = `the device ${device} has failed (${(error as Error).message.split("\n")[0]})`;
      const end = (sentence: string): void => {
        current = () =>
          Promise.reject(new VideoExplainerError("engine-died", `${sentence}; restart the worker`, { cause: error }));
        lost(sentence);
      };
      if (instead === undefined) end(why);
      else {
        try {
          const { engine, explain } = await instead();
          current = explain;
          lost(`${why}: frames are explained on ${engine} from now on`, engine);
        } catch (cause) {
          end(`${why}, and nothing explains instead (${(cause as Error).message.split("\n")[0]})`);
        }
      }
      return current(batch);
    }
  };
}

/** Whether it is the device that failed, not a frame or what was asked: onnxruntime and drivers throw errors of their own. */
const isDeviceFailure = (error: unknown): boolean =>
  !(error instanceof VideoExplainerError) || error.code === "engine-failed";
