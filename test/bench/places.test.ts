import { expect, it } from "vitest";
import { comparePlaces } from "../../src/bench/places.js";
import { configSchema } from "../../src/config/schema.js";
import { loadModel } from "../../src/explain/model/load.js";
import { defaultEngine, explainerOptions } from "../../src/station/explainer-options.js";

const PATH = "models/inspection-cnn";
const model = loadModel(PATH);
const explain = configSchema.shape.explain.parse({});
const explained = explainerOptions({ model: { path: PATH }, explain, engine: { ...defaultEngine(), cache: "off" } });

function feeds(batch: number) {
  const { inputWidth, inputHeight } = model.info;
  const dims = [batch, inputHeight, inputWidth, 3];
  return {
    frames: { data: new Uint8Array(batch * inputHeight * inputWidth * 3).fill(90), dims },
    scale: { data: new Float32Array(batch), dims: [batch] },
  };
}

it("a place keeps the figures of the batches that it can run, and says why there are none of larger ones", async () => {
  const onProcessor = { engine: "onnxruntime", device: "cpu" } as const;
  const unknown = { engine: "onnxruntime", device: "intel-gpu" } as const;
  const upToOne = (batch: number) => {
    if (batch > 1) throw new Error("out of memory\nat some place");
    return feeds(batch);
  };
  const stop = new AbortController();
  const places = await comparePlaces(model, explained, [onProcessor, unknown], upToOne, 0.01, stop.signal);
  expect(places).toEqual([
    {
      ...onProcessor,
      name: "onnxruntime-cpu",
      batches: [{ batch: 1, forwardMs: expect.any(Number), explainMs: expect.any(Number) }],
      missing: "out of memory",
    },
    { ...unknown, missing: "the engine onnxruntime does not run on intel-gpu; take engine openvino" },
  ]);
  stop.abort();
  await expect(comparePlaces(model, explained, [onProcessor], feeds, 0.01, stop.signal)).rejects.toThrow();
});
