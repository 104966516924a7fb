import path from "node:path";
import { isTflite } from "../../tflite/import.js";
import type { Origin } from "../facts.js";
import type { FileFingerprints } from "../file-fingerprints.js";
import { onnxMetadata } from "../onnx-metadata.js";
import { huggingFace } from "./hugging-face.js";
import { imageProperties, imagePropertiesOfFile } from "./image-properties.js";
import { type Look, lookBeside } from "./look.js";
import { teachableMachine, teachableMachineLite } from "./teachable-machine.js";
import { tensorflowLite } from "./tensorflow-lite.js";
import { timm } from "./timm.js";
import { ultralytics, ultralyticsFile } from "./ultralytics.js";

/** What the files of one folder say; the first wins. */
const BESIDE: readonly ((look: Look) => Origin[])[] = [
  timm,
  huggingFace,
  ultralytics,
  teachableMachine,
  imageProperties,
];

/** What a model file itself says, before what lies beside it. */
const WITHIN: readonly ((metadata: ReadonlyMap<string, string>, file: string) => Origin[])[] = [
  ultralyticsFile,
  imagePropertiesOfFile,
];

/** Folders whose model is described in the one above: as optimum, Transformers.js and TensorFlow.js lay them out. */
const BELOW = new Set(["onnx", "tfjs", "web_model"]);

/** What is known of a model beside its card, and the folders that this was looked for in, the nearest first. */
export interface Origins {
  origins: Origin[];
  folders: Look[];
}

/**
 * Looks at all that says something of a model: the file itself, then the files beside it, then those of the folder above
 * where the model lies in one for its format.
 * @param note is told in a sentence of files that are left alone
 */
export function originsOf(
  modelFile: string,
  bytes: Uint8Array,
  fingerprints: FileFingerprints,
  note: (sentence: string) => void,
): Origins {
  const own = path.dirname(modelFile);
  const folders = [own, ...(BELOW.has(path.basename(path.resolve(own))) ? [path.join(own, "..")] : [])];
  const looks = folders.map((folder) => lookBeside(folder, modelFile, fingerprints, note));
  const isLite = isTflite(bytes);
  const metadata = isLite || /\.json$/i.test(modelFile) ? new Map<string, string>() : onnxMetadata(bytes);
  return {
    folders: looks,
    origins: [
      ...(isLite ? tensorflowLite(bytes, modelFile) : []),
      ...WITHIN.flatMap((read) => read(metadata, modelFile)),
      ...looks.flatMap((look) => BESIDE.flatMap((read) => read(look))),
      ...teachableMachineLite(modelFile),
    ],
  };
}
