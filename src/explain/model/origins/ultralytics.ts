import { ModelError } from "../../../errors.js";
import type { Facts, InputFacts, Origin } from "../facts.js";
import { type PythonValue, pythonLiteral } from "../python-literal.js";
import { type Fields, isFields, type Look, labelsOf, sideOf, textOf } from "./look.js";

/** What Ultralytics writes into an ONNX file; values are Python's own spelling of them. */
export function ultralyticsFile(metadata: ReadonlyMap<string, string>, file: string): Origin[] {
  if (metadata.get("task") === undefined || metadata.get("imgsz") === undefined) return [];
  const fields: Fields = Object.fromEntries(
    [...metadata].map(([key, value]) => [key, key === "task" ? value : plain(pythonLiteral(value) ?? null)]),
  );
  return [{ from: `${file} (metadata of Ultralytics)`, facts: () => factsOf(fields, file) }];
}

/** The same beside exports that hold no metadata themselves. */
export function ultralytics(look: Look): Origin[] {
  const found = look.yaml("metadata.yaml");
  if (!found || textOf(found.content.task) === undefined || found.content.imgsz === undefined) return [];
  return [{ from: found.file, facts: () => factsOf(found.content, found.file) }];
}

/** Maps of Python as those of JSON. */
function plain(value: PythonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, v]) => [key, plain(v)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

const TASKS: Readonly<Record<string, string>> = {
  detect: "finds objects",
  segment: "outlines objects",
  pose: "finds postures",
  obb: "finds turned boxes",
};

/** The shorter side is resized, the middle cut out, 0..255 divided by 255: `classify_transforms` of Ultralytics. */
function factsOf(fields: Fields, file: string): Facts {
  const task = textOf(fields.task) ?? "";
  if (task !== "classify")
    throw new ModelError(
      "model-unsupported",
      `is a model of Ultralytics for the task "${task.slice(0, 40)}", which ${TASKS[task] ?? "does something else"}; a classifier is needed: export one of its -cls models`,
      { subject: file },
    );
  const [height, width] = Array.isArray(fields.imgsz)
    ? fields.imgsz.map(sideOf)
    : [sideOf(fields.imgsz), sideOf(fields.imgsz)];
  const names = isFields(fields.names) || Array.isArray(fields.names) ? labelsOf(fields.names) : undefined;
  const geometry: InputFacts =
    width && height
      ? { width, height, resize: { width, height }, fit: width === height ? "crop" : "stretch", cropRounding: "even" }
      : {};
  return {
    labels: names,
    input: {
      ...geometry,
      ...{ channels: sideOf(fields.channels), mean: [0], std: [255], channelOrder: "RGB" },
      ...{ interpolation: "bilinear", antialias: true },
    },
  };
}
