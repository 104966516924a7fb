import { describe, expect, it } from "vitest";
import { scheduleMeans } from "../../../src/explain/engines/schedule-means.js";
import type { NodeProto } from "../../../src/explain/proto/onnx.js";

const node = (opType: string, input: string[], output: string): NodeProto => ({ opType, input, output: [output] });

describe("means that are taken early", () => {
  it("are those of the way there, each read by a node that nobody reads, the first layer's last", () => {
    const early = scheduleMeans([
      node("Conv", ["x"], "z1"),
      node("Conv", ["z1"], "z2"),
      node("ArgMax", ["z2"], "top"),
      node("ReduceMean", ["z2", "axes"], "m2"),
      node("ReduceMean", ["z1", "axes"], "m1"),
      node("OneHot", ["top"], "start"),
      node("Div", ["start", "m2"], "back"),
      node("ReduceMean", ["back", "axes"], "late"),
      node("Div", ["late", "m1"], "relevance"),
    ]);
    expect(early.map(({ opType, input }) => [opType, input])).toEqual([
      ["Identity", ["m2"]],
      ["Identity", ["m1"]],
    ]);
  });
  it("are none where nothing is explained", () => {
    expect(scheduleMeans([node("Conv", ["x"], "z"), node("Softmax", ["z"], "y")])).toEqual([]);
  });
});
