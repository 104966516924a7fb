import { describe, expect, it } from "vitest";
import { ModelError } from "../../../src/errors.js";
import { type Method, walkBack } from "../../../src/explain/backward/walk.js";
import type { Scope } from "../../../src/explain/layers/scope.js";
import type { Layer, LayerOf, TensorId } from "../../../src/explain/network/network.js";
import { Emitter } from "../../../src/explain/program/emitter.js";

const base = (name: string, inputs: TensorId[], outputs: TensorId[]) => ({ name, operator: name, inputs, outputs });
const passes = (name: string, input: TensorId, output: TensorId): LayerOf<"scale"> => ({
  ...base(name, [input], [output]),
  kind: "scale",
});
const adds = (name: string, inputs: TensorId[], output: TensorId): LayerOf<"add"> => ({
  ...base(name, inputs, [output]),
  kind: "add",
});

/** A network of tensors of four elements: 0 is the picture, the output of the last layer the scores. */
function scopeOf(layers: Layer[]): Scope {
  const ids = layers.flatMap((layer) => [...layer.inputs, ...layer.outputs]);
  const e = new Emitter();
  return {
    e,
    network: {
      input: 0,
      output: layers.at(-1)!.outputs[0]!,
      layers,
      shapes: new Map(ids.map((id) => [id, [-1, 4]])),
      final: "none",
      nextId: 100,
    },
    values: new Map(ids.map((id) => [id, e.input(`t${id}`, "float32", [-1, 4])])),
  };
}

/** A method that writes down the way; it knows no way across a softmax. */
const writer = (alone: string[] = []): Method<string> => ({
  sum: (at, arrived, isAlone) => {
    alone.push(`${at} ${isAlone}`);
    return arrived.length === 1 ? arrived[0]! : `(${arrived.join(" + ")})`;
  },
  reindex: (layer, parts, back) =>
    back(parts).map((value) => `${layer.name}[${parts.map((part) => part ?? "nothing")}] by ${value.split("_")[0]}`),
  cross: (layer, message) =>
    layer.kind === "softmax" ? undefined : layer.inputs.map((id, k) => [id, `${message} ${layer.name}.${k}`]),
  refusal: (layer) => new ModelError("model-unsupported", `${layer.name} is refused`),
});

describe("the walk back", () => {
  it("adds up what several readers of a tensor send, last reader first", () => {
    const layers = [passes("a", 0, 1), passes("b", 1, 2), adds("sum", [1, 2], 3)];
    expect(walkBack(scopeOf(layers), writer(), "start")).toBe("(start sum.0 + start sum.1 b.0) a.0");
  });

  it("says that a message is alone only where nothing else is under way", () => {
    const alone: string[] = [];
    walkBack(scopeOf([passes("a", 0, 1), passes("b", 1, 2), adds("sum", [1, 2], 3)]), writer(alone), "start");
    expect(alone).toEqual(["3 true", "2 false", "1 true", "0 true"]);
  });

  it("passes by what the scores do not depend on, a layer that it could not cross too", () => {
    const softmax: Layer = { ...base("softmax", [0], [9]), kind: "softmax", axis: 1 };
    expect(walkBack(scopeOf([softmax, passes("a", 0, 1)]), writer(), "start")).toBe("start a.0");
  });

  it("moves elements for every method, a part that carries nothing among them", () => {
    const split: Layer = { ...base("split", [0], [1, 2]), kind: "split", axis: 1, sizes: [2, 2] };
    expect(walkBack(scopeOf([split, passes("a", 2, 3)]), writer(), "start")).toBe("split[nothing,start a.0] by concat");
  });

  it("sends to each part of a concatenation", () => {
    const concat: Layer = { ...base("concat", [0, 0], [1]), kind: "concat", axis: 1 };
    expect(walkBack(scopeOf([concat]), writer(), "start")).toBe("(concat[start] by split + concat[start] by split)");
  });

  it("refuses a layer that the method does not cross, in the method's words", () => {
    const softmax: Layer = { ...base("softmax", [0], [1]), kind: "softmax", axis: 1 };
    expect(() => walkBack(scopeOf([softmax]), writer(), "start")).toThrow(
      new ModelError("model-unsupported", "softmax is refused"),
    );
  });

  it("refuses a network whose scores nothing joins to the picture", () => {
    expect(() => walkBack(scopeOf([passes("a", 5, 6)]), writer(), "start")).toThrow(
      "no layer carries relevance from the scores to the picture",
    );
  });
});
