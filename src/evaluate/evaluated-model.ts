import { type LoadedModel, loadModel, requirePreprocessing } from "../explain/model/load.js";
import type { WorkerSettings } from "./worker-messages.js";

/** The model, of which it is known that it takes pictures. @throws InputError or ModelError */
export function loadEvaluated({ model, output }: Pick<WorkerSettings, "model" | "output">): LoadedModel {
  const loaded = loadModel(model, { output });
  requirePreprocessing(loaded);
  return loaded;
}
