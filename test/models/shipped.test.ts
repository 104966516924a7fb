import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { parseCard } from "../../src/explain/model/card.js";

const folder = fileURLToPath(new URL("../../models", import.meta.url));
const models = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

describe.each(models)("the shipped model %s", (name) => {
  const file = (...parts: string[]) => path.join(folder, name, ...parts);
  const card = parseCard(readFileSync(file("model.yaml"), "utf8"), "model.yaml");
  const bytes = readFileSync(file("model.onnx"));

  it("has a card with its name, source and licence", () => {
    expect(card.name).toBe(name);
    expect(card.source).toBeTruthy();
    expect(card.licence).toBe("Apache-2.0");
    expect(existsSync(file("LICENSE")) || existsSync(path.join(folder, "../LICENSE"))).toBe(true);
  });

  it("has as many labels as classes, and the input its card says", async () => {
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const [input, output] = [session.inputMetadata[0], session.outputMetadata[0]];
    const { width, height } = card.input;
    expect(input?.isTensor && input.shape.slice(1)).toEqual([3, height, width]);
    const labels = readFileSync(file(card.labels as string), "utf8")
      .trimEnd()
      .split("\n");
    expect(output?.isTensor && output.shape.at(-1)).toBe(labels.length);
    await session.release();
  });

  it("is the file that its README describes, without paths of the machine that made it", () => {
    expect(readFileSync(file("README.md"), "utf8")).toContain(createHash("sha256").update(bytes).digest("hex"));
    const text = bytes.toString("latin1");
    expect(text.match(/\/(?:home|root|tmp|usr)\/[\w./-]+|\w+\.py\b/g)).toBeNull();
  });
});

it("there are models to test", () => expect(models).toContain("efficientnet-lite0"));
