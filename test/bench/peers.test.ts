import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { markdown, median, ratios } from "../../bench/peers/report.mjs";

const rows = [
  { name: "ours forward", msPerFrame: 10, bestMsPerFrame: 9, peakMib: 100 },
  { name: "ours r-lrp", msPerFrame: 25, bestMsPerFrame: 24, peakMib: 200 },
  { name: "forward", msPerFrame: 20, bestMsPerFrame: 20, peakMib: 300 },
  { name: "zennit", msPerFrame: 100, bestMsPerFrame: 90, peakMib: 800 },
  { name: "captum", msPerFrame: 50, bestMsPerFrame: 40, peakMib: 400, finite: false },
];

describe("the report of bench/peers.mjs", () => {
  it("compares with our own forward pass and with each peer, nor with the peers' forward or with NaN", () => {
    expect(ratios(rows)).toEqual([
      { engine: "onnxruntime", overOwnForward: 2.5, fasterThan: { zennit: 4 }, memoryOfPeer: { zennit: 0.25 } },
    ]);
  });

  it("compares each of our engines, in each precision, with its own forward pass", () => {
    const named = (suffix: string, ms: number) => [
      { name: `ours forward${suffix}`, msPerFrame: ms, bestMsPerFrame: ms, peakMib: 100 },
      { name: `ours r-lrp${suffix}`, msPerFrame: 2 * ms, bestMsPerFrame: 2 * ms, peakMib: 200 },
    ];
    const all = [...rows, ...named(", openvino", 5), ...named(", openvino bfloat16", 2.5)];
    expect(ratios(all)).toMatchObject([
      { engine: "onnxruntime", overOwnForward: 2.5, fasterThan: { zennit: 4 } },
      { engine: "openvino", overOwnForward: 2, fasterThan: { zennit: 10 } },
      { engine: "openvino, bfloat16", overOwnForward: 2, fasterThan: { zennit: 20 } },
    ]);
  });

  it("sets r-lrp-graded beside r-lrp where both ran", () => {
    const graded = { name: "ours r-lrp-graded", msPerFrame: 26, bestMsPerFrame: 25, peakMib: 210 };
    expect(ratios([...rows, graded])).toMatchObject([{ overOwnForward: 2.5, gradedOverRLrp: 1.04 }]);
  });

  it("takes the middle of the rounds", () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  });

  it("says which peer gave no numbers", () => {
    const text = markdown([{ network: "vgg16", rows, ratios: ratios(rows) }], { batch: 4, rounds: 3, threads: 2 });
    expect(text).toContain("| vgg16 | captum (gave NaN) | 50.0 | 40.0 | 400 |");
    expect(text).toContain("| vgg16 | onnxruntime | 2.50 |  | 4.0× | 0.25 |");
  });
});

describe("bench/peers.mjs refuses, in one sentence,", () => {
  const script = fileURLToPath(new URL("../../bench/peers.mjs", import.meta.url));
  it.each<[string[], unknown]>([
    [["--networks", "lenet"], "--networks names lenet; known are vgg16, vgg19, resnet50, mobilenet_v2.\n"],
    [["--nothing"], expect.stringMatching(/^Unknown option '--nothing'; usage: node bench\/peers.mjs .*\n.*\n$/)],
    [["--device", "tpu"], "--device tpu is neither cpu nor cuda.\n"],
    [["--rounds", "0"], "--rounds 0 is not a whole number; give 1 or more.\n"],
  ])("%j", (words, sentence) => {
    const ended = spawnSync(process.execPath, [script, ...words], { encoding: "utf8" });
    expect(ended).toMatchObject({ status: 2, stderr: sentence, stdout: "" });
  });
});
