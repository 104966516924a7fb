import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ints, node, ramp } from "../explain/onnx/messages.js";
import { buildModel, type InitializerInput, type NodeInput } from "../explain/twin/onnx-writer.js";
import { runCli } from "./run-cli.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "same-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a model whose scores "z" go through `steps`, with a card, a configuration that names it, and a tensor. */
function put(name: string, steps: NodeInput[], constants: Record<string, InitializerInput>, outputs: string[]): string {
  const at = join(folder, name);
  mkdirSync(at);
  const nodes = [
    node("Conv", ["image", "w"], ["c"]),
    node("GlobalAveragePool", ["c"], ["p"]),
    node("Flatten", ["p"], ["f"]),
    node("Gemm", ["f", "h"], ["z"]),
    ...steps.map((s) => ({ ...s, name: `${s.op} to ${s.outputs[0]}` })),
  ];
  const initializers = { w: ramp(5, 3, 1, 1), h: ramp(5, 4), ...constants };
  const inputs = [{ name: "image", dims: ["N", 3, 6, 6] }];
  writeFileSync(join(at, "model.onnx"), buildModel({ inputs, nodes, initializers, outputs }));
  writeFileSync(join(at, "model.yaml"), "input: {mean: 0, std: 255}\n");
  const config = `model: {path: ${at}}\nsources: [{name: a, url: testsrc}]\nsinks: [{kind: stdout}]\n`;
  writeFileSync(join(at, "config.yaml"), config);
  // Its upper half is red.
  const pixels = Uint8Array.from({ length: 108 }, (_, k) => (k < 54 && k % 3 === 0 ? 255 : 0));
  writeFileSync(join(at, "picture.ppm"), Buffer.concat([Buffer.from("P6\n6 6\n255\n"), pixels]));
  return at;
}

const soft = node("Softmax", ["z"], ["s"], { axis: 1 });
const FILES: [string, NodeInput[], Record<string, InitializerInput>, number][] = [
  ["a softmax in percent", [soft, node("Mul", ["s", "k"], ["y"])], { k: { dims: [], data: [100] } }, 0],
  ["two of them", [soft, node("Softmax", ["s"], ["y"], { axis: 1 })], {}, 2],
  [
    "one within",
    [
      soft,
      node("Reshape", ["s", "to"], ["r"]),
      node("Unsqueeze", ["r", "at"], ["u"]),
      node("Gemm", ["s", "h2"], ["y"]),
    ],
    { to: ints(0, 4), at: ints(1), h2: ramp(4, 3) },
    2,
  ],
];

describe("inspect, validate, attribute and compile accept the same models, and refuse the others in the same words", () => {
  it.each(FILES)("%s", async (name, steps, constants, code) => {
    const at = put(name.replace(/\W/g, "-"), steps, constants, ["y"]);
    const all = await Promise.all([
      runCli(["inspect", at]),
      runCli(["validate", join(at, "config.yaml"), "--quiet"]),
      runCli(["attribute", "--model", at, "--input", join(at, "picture.ppm")]),
      runCli(["compile", at, "-o", join(at, "out.onnx")]),
    ]);
    expect(all.map((ended) => ended.code)).toEqual([code, code, code, code]);
    const sentence = `${join(at, "model.onnx")}: node "Softmax to s" (operator Softmax) cannot be explained: `;
    for (const { stderr } of all) {
      if (code === 0) expect(stderr).toBe("");
      else expect(stderr).toContain(sentence);
    }
  });
});

describe("which of several outputs is explained", () => {
  const heads = [node("Gemm", ["f", "ha"], ["a"]), node("Gemm", ["f", "hb"], ["b"])];

  it("is said by every command, and chosen by --model-output", async () => {
    const at = put("heads", heads, { ha: ramp(5, 3), hb: ramp(5, 2) }, ["a", "b"]);
    const commands = [
      ["inspect", at],
      ["attribute", "--model", at, "--input", join(at, "picture.ppm")],
      ["compile", at, "-o", join(at, "out.onnx")],
      ["explain", join(at, "picture.ppm"), "--model", at, "--out", join(at, "out"), "--engine", "onnxruntime"],
    ];
    for (const words of commands) {
      const ended = await runCli(words);
      expect(ended.code).toBe(0);
      expect(ended.stderr).toMatch(
        /the model has 2 outputs \(a \[N, 3\], b \[N, 2\]\): "a", the first that can hold the scores, is explained/,
      );
    }
    const named = await runCli(["inspect", at, "--model-output", "b", "--json"]);
    expect(named).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(named.stdout).model.classes).toBe(2);
  });

  it("can be written into the configuration", async () => {
    const at = put("configured", heads, { ha: ramp(5, 3), hb: ramp(5, 2) }, ["a", "b"]);
    const config = (output: string) =>
      `model: {path: ${at}, output: ${output}}\nexplain: {target: 2}\nsources: [{name: a, url: testsrc}]\nsinks: [{kind: stdout}]\n`;
    writeFileSync(join(at, "config.yaml"), config("a"));
    expect(await runCli(["validate", join(at, "config.yaml"), "--quiet"])).toMatchObject({ code: 0 });
    writeFileSync(join(at, "config.yaml"), config("b"));
    expect((await runCli(["validate", join(at, "config.yaml"), "--quiet"])).stderr).toContain(
      "explain.target 2 is not a class of the model, which has 2",
    );
  });
});
