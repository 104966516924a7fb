import { isMainThread } from "node:worker_threads";
import { VideoExplainerError } from "../../errors.js";
import { setForLibraries } from "./native-environment.js";

const SWITCH = "ORT_DISABLE_TELEMETRY";

/**
 * Keeps onnxruntime from reporting to its maker, which its official builds do by default: they ask for a host on the internet and
 * leave files in the temporary and cache folders. It looks at the environment of the process, once, when it is loaded; so this comes before
 * that, and before a thread is started that will load it, for a thread's `process.env` is a copy that onnxruntime does not see.
 * @throws VideoExplainerError `engine-missing` on a thread whose process was not told, where this cannot be mended
 */
export function keepToOurselves(): void {
  const told = process.env[SWITCH] === "1";
  // A copy that says so was made of an environment that says so.
  if (told && !isMainThread) return;
  try {
    setForLibraries(SWITCH, "1");
  } catch (cause) {
    delete process.env[SWITCH];
    throw new VideoExplainerError(
      "engine-missing",
      `the engine onnxruntime would report to its maker from this thread, which cannot turn that off; start the process with ${SWITCH}=1 in its environment`,
      { cause },
    );
  }
}
