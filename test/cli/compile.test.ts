import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GOLDEN, goldenCase, relativeError } from "../explain/twin/golden.js";
import { readNpy } from "../explain/twin/npy.js";
import { python } from "../support/python.js";
import { runCli } from "./run-cli.js";

const CNN = fileURLToPath(new URL("../../models/inspection-cnn", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compile-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** Runs an ONNX file on a batch in Python and saves one of its outputs. */
const RUN = `
import sys, numpy, onnxruntime
model, source, name, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
feeds = {session.get_inputs()[0].name: numpy.load(source)}
out = session.run(None, feeds)
names = [o.name for o in session.get_outputs()]
numpy.save(target, out[names.index(name)])
meta = session.get_modelmeta()
print(meta.custom_metadata_map["method"], meta.custom_metadata_map["model_sha256"], len(out))
`;

describe("compile --input tensor", () => {
  it.each([
    ["inverted-residual", "r-lrp-graded"],
    ["residual", "r-lrp"],
    ["keras-se", "r-lrp-absolute"],
    ["max-pool-overlapping", "r-lrp-constant"],
  ])("writes a file of %s that gives the golden map %s in Python's onnxruntime", async (name, method) => {
    const golden = goldenCase(name);
    const range = ["--low", golden.low.join(","), "--high", golden.high.join(",")];
    const file = at(`${name}.onnx`);
    const ended = await runCli([
      "compile",
      join(golden.folder, "model.onnx"),
      "-o",
      file,
      "--method",
      method,
      ...range,
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain("relevance float32 [N, ");
    const printed = python(RUN, [file, join(golden.folder, "input.npy"), "relevance", at("out.npy")]);
    expect(printed).toMatch(new RegExp(`^${method} [0-9a-f]{64} 4\n$`));
    const { data } = readNpy(at("out.npy"));
    golden.maps.get(method)!.forEach((expected, n) => {
      const size = expected.length;
      expect(relativeError((data as Float32Array).subarray(n * size, (n + 1) * size), expected)).toBeLessThan(1e-4);
    });
  });
});

describe("compile --input frames", () => {
  it("writes a file that takes pixels and gives shares and a heatmap in Python's onnxruntime", async () => {
    const file = at("frames.onnx");
    expect(await runCli(["compile", CNN, "--input", "frames", "--output", file])).toMatchObject({
      code: 0,
      stderr: "",
    });
    const script = `
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
frames = numpy.random.default_rng(1).integers(0, 256, (3, *session.get_inputs()[0].shape[1:]), dtype=numpy.uint8)
names = [o.name for o in session.get_outputs()]
out = dict(zip(names, session.run(names, {"frames": frames, "scale": numpy.zeros(3, numpy.float32)})))
assert out["heatmap"].dtype == numpy.uint8 and out["heatmap"].min() >= 1
print(numpy.abs(out["positive"] - out["negative"] - 1).max() < 1e-3, numpy.allclose(out["grid"].sum((1, 2)), out["positive"] + out["negative"], atol=1e-4))
`;
    expect(python(script, [file])).toBe("True True\n");
  });
});

describe("compile refuses", () => {
  const model = join(GOLDEN, "residual", "model.onnx");
  it.each<[what: string, args: string[], words: string]>([
    ["a model without card when bounds are needed", [model, "-o", "x.onnx"], "give --low and --high"],
    ["frames without a card", [model, "-o", "x.onnx", "--input", "frames"], "write a card model.yaml"],
    ["bounds beside frames", [CNN, "-o", "x.onnx", "--input", "frames", "--low", "0"], "leave them out"],
    ["a folder that does not exist", [CNN, "-o", "none/x.onnx"], "its folder does not exist"],
    ["a folder as output", [CNN, "-o", "."], "it is a folder"],
    ["a class that does not exist", [CNN, "-o", "x.onnx", "--target", "77"], "target class 77 does not exist"],
  ])("%s, in one sentence, and leaves no file", async (_, args, words) => {
    const ended = await runCli(["compile", ...args.map((a) => (a === "x.onnx" || a === "none/x.onnx" ? at(a) : a))]);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.stderr).toContain(words);
    expect(readdirSync(folder).filter((f) => f.startsWith("x.onnx"))).toEqual([]);
  });

  it("a damaged model", async () => {
    writeFileSync(at("bad.onnx"), "not a model");
    const ended = await runCli(["compile", at("bad.onnx"), "-o", at("y.onnx"), "--low", "0", "--high", "1"]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain("is a text file, not a model");
  });
});
