import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { foreignKind } from "../../../src/explain/model/foreign.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { classifier, type Message, node, patched, ramp } from "../onnx/messages.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "foreign-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A refusal is one sentence that fits a screen: what, where, what to do. */
function refusal(given: string): string {
  try {
    loadModel(given);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toMatch(/^[^\n]+[^.]$/);
    expect(message.length).toBeLessThanOrEqual(400);
    expect(message.startsWith(given)).toBe(true);
    return message.slice(given.length);
  }
  throw new Error("it was accepted");
}

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const padded = (bytes: Uint8Array | string, length = 400): Buffer =>
  Buffer.concat([typeof bytes === "string" ? latin(bytes) : bytes, Buffer.alloc(length)]);
/** The beginning of a zip file whose first entry has this name. */
const zip = (name: string): Buffer => padded(`PK\x03\x04${"\0".repeat(26)}${name}`);
const safetensors = (header: string): Buffer => {
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, latin(header), Buffer.alloc(64)]);
};

const whole = classifier([node("Conv", ["image", "w"], ["y"])], { w: ramp(3, 3, 3, 3) });

const KINDS: [name: string, bytes: Uint8Array, words: RegExp][] = [
  ["checkpoint.pth", zip("archive/data.pkl"), /is a PyTorch checkpoint; load it in PyTorch and export/],
  ["model.onnx", zip("net/data.pkl"), /is a PyTorch checkpoint/],
  ["old.pt", padded("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M"), /is a PyTorch checkpoint/],
  ["weights.ckpt", latin("not magic\0\x01"), /is not an ONNX file but a PyTorch checkpoint by its ending/],
  ["model.safetensors", safetensors('{"conv.weight":{"dtype":"F32"}}'), /holds weights alone \(safetensors\)/],
  ["eight.safetensors", safetensors(`{"a":1${" ".repeat(0x508)}}`), /holds weights alone \(safetensors\)/],
  ["model.h5", padded("\x89HDF\r\n\x1a\n"), /is an HDF5 file.*tensorflowjs_converter/],
  ["model.keras", zip("metadata.json"), /is a Keras 3 model; .*model\.export/],
  ["model.tflite", latin("no such thing"), /is not a TensorFlow Lite model, though its ending says so; copy it again/],
  ["saved_model.pb", padded("\x08\x01\x12\x10\x0a\x05serve"), /is a TensorFlow SavedModel; .*--saved-model/],
  ["frozen.pb", padded("\x0a\x20\x0a\x05image\x12\x0bPlaceholder"), /is a frozen TensorFlow graph/],
  ["other.pb", padded("\x12\x34\x56"), /is not an ONNX file but one of TensorFlow by its ending/],
  [
    "model.xml",
    latin('<?xml version="1.0"?>\n<net name="model" version="11"></net>\n'),
    /is a model of OpenVINO \(IR\)/,
  ],
  ["model.bin", Buffer.alloc(64, 7), /holds weights without the network/],
  ["model.engine", padded("ftrt"), /is an engine compiled by TensorRT/],
  ["model.plan", padded("\xff\xfe\x01"), /is an engine compiled by TensorRT/],
  ["model.mlmodel", padded("\x08\x04\x12\x08"), /a Core ML model by its ending/],
  ["inference.pdmodel", padded("\x0a\x40feed\x01\x02fetch"), /is a PaddlePaddle model; convert it with paddle2onnx/],
  ["model.pkl", padded("\x80\x04\x95sklearn.ensemble"), /is a pickled scikit-learn object; convert it with skl2onnx/],
  ["object.pickle", padded("\x80\x04\x95\x10\0\0"), /is a pickled Python object/],
  ["model.npz", zip("arr_0.npy"), /is an archive of NumPy arrays/],
  ["array.npy", padded("\x93NUMPY"), /is a NumPy array/],
  ["llm.gguf", padded("GGUF\x03"), /is a GGUF file/],
  ["model.ort", padded("\x18\0\0\0ORTM"), /ONNX Runtime's own format/],
  ["model.zip", zip("readme.md"), /is a zip archive; unpack it/],
  ["model.onnx.gz", padded("\x1f\x8b\x08"), /is compressed; unpack it first/],
  ["model.tar.xz", padded("\xfd7zXZ\0"), /is a compressed archive/],
  [
    "page.onnx",
    latin("\n<!DOCTYPE html>\n<html><head><title>Sign in</title>"),
    /is a web page, as a download behind a login/,
  ],
  ["answer.onnx", latin('{"error": "not found"}'), /is JSON, not a model; download the model itself/],
  [
    "pointer.onnx",
    latin("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
    /Git LFS pointer.*"git lfs pull"/,
  ],
  ["model.json", latin("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), /Git LFS pointer/],
  [
    "arch.json",
    latin('{"class_name": "Functional", "config": {"layers": []}}'),
    /the architecture of a Keras model, without weights/,
  ],
  ["empty.onnx", Buffer.alloc(0), /is empty; copy it again/],
  ["zeros.onnx", Buffer.alloc(4096), /nothing but zeros/],
  ["model.yaml", latin("name: x\nlabels: labels.txt\n"), /is not a model but the card of one/],
  ["notes.onnx", latin("this is no model\n"), /is a text file, not a model/],
  ["cat.jpg", padded("\xff\xd8\xff\xe0"), /is a picture or a film/],
  ["film.mp4", padded("\0\0\0\x18ftypisom"), /is a picture or a film/],
  ["net.caffemodel", padded("\x0a\x07net"), /is of another framework by its ending/],
  ["cut.onnx", whole.subarray(0, whole.length - 40), /damaged|cut off/],
];

describe("a file of another format is told what it is and what to do", () => {
  it.each(KINDS)("%s", (name, bytes, words) => {
    const file = join(folder, name);
    writeFileSync(file, bytes);
    expect(refusal(file)).toMatch(words);
  });

  it("whatever its name: the bytes decide", () => {
    for (const [name, bytes, words] of KINDS.filter(([, b]) => foreignKind(b) !== undefined)) {
      const file = join(folder, "model.onnx");
      writeFileSync(file, bytes);
      expect(refusal(file), name).toMatch(words);
    }
  });

  it("and a model under another name is read", () => {
    for (const name of ["model.bin", "parts", "model.pb"]) {
      const file = join(folder, name);
      writeFileSync(file, whole);
      expect(loadModel(file).classes).toBe(4);
    }
  });

  it("nor is any of them mistaken: random bytes of an ONNX file's beginning are of no kind but that of theirs", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 64 }), (tail) => {
        expect(foreignKind(Uint8Array.of(0x08, 0x0a, 0x12, 0x07, ...latin("pytorch"), ...tail))).toBeUndefined();
      }),
      { seed: 13, numRuns: 300 },
    );
  });
});

describe("a folder without a model is told what it holds instead", () => {
  it.each<[string[], RegExp]>([
    [["saved_model.pb"], /it is a TensorFlow SavedModel: convert it with .*--saved-model/],
    [["a.tflite", "b.tflite"], /it holds a\.tflite, b\.tflite: name one in model\.yaml under "model"/],
    [["a.onnx", "b.onnx"], /it holds a\.onnx, b\.onnx: name one in model\.yaml under "model"/],
    [["model.safetensors", "config.json"], /put the model there|holds weights/],
    [["checkpoint.pth"], /its file checkpoint\.pth is not an ONNX file but a PyTorch checkpoint/],
    [["readme.md"], /put the model there or name its file in model\.yaml/],
  ])("%j", (names, words) => {
    const inner = join(folder, "model");
    mkdirSync(inner);
    for (const name of names) writeFileSync(join(inner, name), "x");
    expect(() => loadModel(inner)).toThrow(words);
  });
});

describe("an ONNX file that cannot be explained is refused in a sentence of some length at most", () => {
  const onnx = (change: (m: Message) => void, from = whole): string => {
    const file = join(folder, "model.onnx");
    writeFileSync(file, patched(from, change));
    return refusal(file);
  };
  const chain = (...ops: string[]): Uint8Array =>
    classifier(
      ops.map((op, k) => ({
        ...node(op, [k === 0 ? "image" : `t${k}`], [k === ops.length - 1 ? "y" : `t${k + 1}`]),
        name: `${op}${k}`,
      })),
    );

  it.each(["QAttention", "QEmbedLayerNormalization", "QOrderedMatMul"])("quantised by %s", (op) => {
    const said = onnx((m) => {
      m.graph.node[0].domain = "com.microsoft";
    }, chain(op));
    expect(said).toMatch(
      /: the model is quantised to whole numbers, and no rule says how relevance crosses node "\w+0" \(operator \w+\); give its float32 file, from before it was quantised$/,
    );
  });

  it("of many operators that are not known, a few of which are named", () => {
    const said = onnx(() => {}, chain(...Array.from({ length: 40 }, () => "LpNormalization")));
    expect(said).toMatch(
      /node "LpNormalization0" .*no rule says how relevance crosses it, nor "LpNormalization1" \(LpNormalization\), .* and 36 more$/,
    );
  });

  it("whose nodes have no names: none is named twice", () => {
    const said = onnx(
      (m) => {
        for (const n of m.graph.node) n.name = "";
      },
      chain("Det", "NonZero"),
    );
    expect(said).toMatch(/node "t1" \(operator Det\).*, nor "y" \(NonZero\)$/);
  });

  it("whose weights are missing, and so are inputs", () => {
    const said = onnx((m) => {
      for (let k = 0; k < 837; k++) m.graph.input.push({ ...m.graph.input[0], name: `layer${k}.weight` });
    });
    expect(said).toBe(
      ": the model has 838 inputs (image, layer0.weight, layer1.weight and 835 more), and a classifier has one, the picture; if these are its weights, export it with them (export_params=True)",
    );
  });

  it.each([24, 25])("of opset %d", (version) => {
    const said = onnx((m) => {
      m.opsetImport[0].version = version;
    });
    expect(said).toBe(`: the model uses ONNX opset ${version}, and 7 to 23 are known; export it with opset 18`);
  });

  it("of names of megabytes", () => {
    const name = `begin${"x".repeat(5e6)}end`;
    const said = onnx((m) => {
      m.graph.node[0].opType = "Det";
      m.graph.node[0].name = name;
    });
    expect(said).toMatch(/node "beginx+…x+end" \(operator Det\)/);
  });

  it("of lists of thousands of numbers", () => {
    const sizes = Array.from({ length: 3000 }, () => 1);
    const split = { ...node("Split", ["image", "s"], ["y"], { axis: 1 }) };
    const said = onnx(() => {}, classifier([split], { s: { dims: [3000], data: sizes, type: "int64" } }));
    expect(said.length).toBeLessThan(300);
  });
});
