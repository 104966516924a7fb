import { describe, expect, it } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import { workId } from "../../src/fleet/names.js";
import { readFleetModel } from "../../src/fleet/remote-explainer.js";
import { defaultEngine, explainerOptions } from "../../src/station/explainer-options.js";
import { INSPECTION } from "../e2e/worker.js";

const explain = configSchema.shape.explain.parse({});
const options = (more: object = {}) =>
  explainerOptions({ model: INSPECTION, explain: { ...explain, ...more }, engine: defaultEngine() });
const MODEL = { sha256: "a", identity: "b", name: "parts", labels: ["ok", "scratch"] };

describe("what a frame is to be done to", () => {
  it("has one name for a model and how it is explained, whatever engine and choice of frames there is", () => {
    const name = workId(MODEL, options());
    expect(name).toMatch(/^[0-9a-f]{16}$/);
    expect(workId(MODEL, options({ every: 5, when: { changed: true } }))).toBe(name);
    expect(workId(MODEL, { ...options(), inputRule: "box", start: "rivals" }), "as the method has by itself").toBe(
      name,
    );
  });

  it("has one name for a target, by its label and by its index: who captures knows it by one, who explains by the other", () => {
    const target = 1;
    const read = readFleetModel(options({ target }));
    expect(readFleetModel(options({ target: read.model.labels[target] })).work).toBe(read.work);
    expect(workId(MODEL, options({ target: "scratch" }))).toBe(workId(MODEL, options({ target: 1 })));
  });

  it.each<[string, object]>([
    ["method", { method: "r-lrp" }],
    ["start", { start: "contrast" }],
    ["input rule", { inputRule: "bounded" }],
    ["target", { target: 1 }],
    ["number of classes", { top: 3 }],
    ["grid", { grid: { rows: 4, columns: 8 } }],
    ["blur", { blur: 1 }],
  ])("has another name with another %s", (_, more) => {
    expect(workId(MODEL, options(more))).not.toBe(workId(MODEL, options()));
  });

  it("has another name for another model, or other labels and colours of the same", () => {
    expect(workId({ ...MODEL, identity: "c" }, options())).not.toBe(workId(MODEL, options()));
    const read = readFleetModel(options());
    expect(read.model.identity).toMatch(/^[0-9a-f]{64}$/);
    expect(read.work).toBe(workId(read.model, options()));
  });
});
