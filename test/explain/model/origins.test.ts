import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { parseCard } from "../../../src/explain/model/card.js";
import { type LoadedModel, type LoadOptions, loadModel } from "../../../src/explain/model/load.js";
import { onnxMetadata } from "../../../src/explain/model/onnx-metadata.js";
import { cardText } from "../../../src/explain/model/write-card.js";
import { classifier, type Message, node, patched } from "../onnx/messages.js";

const plain = classifier([node("Relu", ["image"], ["y"])]);
const network = (metadata: Record<string, string> = {}, open = false): Uint8Array =>
  patched(plain, (m: Message) => {
    m.metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
    if (open) m.graph.input[0].type.tensorType.shape.dim.splice(2, 2, { dimParam: "h" }, { dimParam: "w" });
  });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "origins-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, content: unknown): string => {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  const isRaw = typeof content === "string" || content instanceof Uint8Array;
  writeFileSync(file, isRaw ? (content as string | Uint8Array) : JSON.stringify(content));
  return file;
};
/** Notes name files without the folder that changes each time. */
const load = (options: LoadOptions = {}, given = folder): LoadedModel & { said: string } => {
  const model = loadModel(given, options);
  return { ...model, said: model.notes.join("\n").replaceAll(`${folder}/`, "") };
};

const VIT = { image_processor_type: "ViTImageProcessor", size: { height: 6, width: 6 }, resample: 2 };
const LABELS = { id2label: { 0: "a", 1: "b", 2: "c", 3: "d" }, model_type: "vit" };

describe("a folder of Hugging Face", () => {
  it("needs no card: what was taken from where is the first thing said", () => {
    put("onnx/model.onnx", network());
    put("config.json", { ...LABELS, image_size: 6 });
    put("preprocessor_config.json", VIT);
    const { info, preprocessing, notes, said, inferred } = load();
    expect(info.labels).toEqual(["a", "b", "c", "d"]);
    expect(info.name).toBe(folder.split("/").at(-1));
    expect(preprocessing).toMatchObject({ mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] });
    expect(info).toMatchObject({ fit: "stretch", resampling: { interpolation: "bilinear", antialias: true } });
    expect(said).toBe(
      "onnx/model.onnx: pictures are read as preprocessor_config.json says: stretched to 6x6, bilinear, RGB, (v - 127.5) / 127.5; labels are those of config.json",
    );
    expect(notes).toHaveLength(1);
    expect(inferred.input.mean).toBe(join(folder, "preprocessor_config.json"));
  });

  it("takes the float model of several, and says so", () => {
    for (const name of ["model.onnx", "model_quantized.onnx", "model_fp16.onnx"]) put(`onnx/${name}`, network());
    expect(load().said).toContain(
      "onnx/model.onnx is taken, and not model_fp16.onnx, model_quantized.onnx beside it; name another",
    );
    rmSync(join(folder, "onnx"), { recursive: true });
    for (const name of ["net.onnx", "net-int8.onnx"]) put(name, network());
    expect(load().file).toBe(join(folder, "net.onnx"));
    rmSync(join(folder, "net.onnx"));
    put("net_fp16.onnx", network());
    expect(load().file).toBe(join(folder, "net_fp16.onnx"));
    put("net.onnx", network());
    put("other.onnx", network());
    expect(() => loadModel(folder)).toThrow(/name one in model\.yaml/);
  });

  it("gives the size that the file leaves open", () => {
    put("model.onnx", network({}, true));
    put("preprocessor_config.json", { ...VIT, size: 11 });
    expect(load().info).toMatchObject({ inputWidth: 11, inputHeight: 11 });
  });

  it("is for another size than the file: the file's is taken, and said", () => {
    put("model.onnx", network());
    put("preprocessor_config.json", { ...VIT, size: 11 });
    const { info, said } = load();
    expect(info).toMatchObject({ inputWidth: 6, inputHeight: 6 });
    expect(info.resize).toBeUndefined();
    expect(said).toContain("preprocessor_config.json is for 11x11 pixels, and the model takes 6x6");
  });

  it("names classes LABEL_0 and so on where nobody named them", () => {
    put("model.onnx", network());
    put("config.json", { model_type: "vit", id2label: { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2", 3: "LABEL_3" } });
    expect(load().info.labels[0]).toBe("class 0");
  });

  it("has an image processor that is not known: what its file says is taken, and that is said", () => {
    put("model.onnx", network());
    put("preprocessor_config.json", {
      ...VIT,
      image_processor_type: "NewProcessor",
      image_mean: [0.1],
      image_std: [1],
    });
    const { preprocessing, said } = load();
    expect(preprocessing?.mean[0]).toBeCloseTo(25.5, 9);
    expect(said).toContain("has the image processor NewProcessor, which is not known; its values alone are taken");
  });
});

describe("where two places disagree, that is said", () => {
  it("and the card wins, the other values being taken as they are", () => {
    put("model.onnx", network());
    put("preprocessor_config.json", VIT);
    put("config.json", LABELS);
    put("model.yaml", "input: {mean: 0, channelOrder: BGR}\nlabels: [a, b, c, x]");
    const { preprocessing, info, said } = load();
    expect(preprocessing).toMatchObject({ mean: [0, 0, 0], std: [127.5, 127.5, 127.5], channelOrder: "BGR" });
    expect(info.labels[3]).toBe("x");
    expect(said).toContain("preprocessor_config.json gives mean 127.5, and model.yaml mean 0: model.yaml is taken");
    expect(said).toContain('class 3 is "d" in config.json and "x" in model.yaml: the labels of model.yaml are taken');
  });

  it("of units too: what a card says of 0..1 stands beside what a file says of 0..255", () => {
    put("model.onnx", network());
    put("preprocessor_config.json", VIT);
    put("model.yaml", 'input: {mean: 0.5, units: "0..1"}');
    const { preprocessing, said } = load();
    expect(preprocessing).toMatchObject({ mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] });
    expect(said).not.toContain("gives");
  });

  it("and the command line wins over all", () => {
    put("model.onnx", network());
    put("model.yaml", "input: {mean: 1, std: 2, fit: crop}");
    const given = { labels: ["p", "q", "r", "s"], input: { mean: [0], fit: "letterbox" as const } };
    const { preprocessing, info, said } = load({ given });
    expect(preprocessing).toMatchObject({ mean: [0, 0, 0], std: [2, 2, 2] });
    expect(info).toMatchObject({ fit: "letterbox", labels: ["p", "q", "r", "s"] });
    expect(said).toContain(
      "model.yaml gives mean 1, fit crop, and the command line mean 0, fit letterbox: the command line is taken",
    );
  });

  it("a resize goes with the fit it was written for", () => {
    put("model.onnx", network());
    put("preprocessor_config.json", {
      ...{ image_processor_type: "BitImageProcessor", size: { shortest_edge: 8 } },
      crop_size: { height: 6, width: 6 },
    });
    expect(load().info).toMatchObject({ fit: "crop", resize: { width: 8, height: 8 } });
    put("model.yaml", "input: {fit: letterbox}");
    expect(load().info).toMatchObject({ fit: "letterbox", resize: undefined });
  });

  it("labels that nobody may have meant are left alone", () => {
    put("model.onnx", network());
    put("config.json", { ...LABELS, id2label: { 0: "a", 1: "b", 2: "c", 3: "d".repeat(2000) } });
    const { info, said } = load();
    expect(info.labels[0]).toBe("class 0");
    expect(said).toContain("config.json has labels that are empty or too long; they are left alone");
  });

  it("labels that do not fit the classes give way to those that do", () => {
    put("model.onnx", network());
    put("labels.txt", "a\nb\n");
    expect(() => loadModel(folder)).toThrow(/labels\.txt has 2 labels, but the model has 4 classes/);
    put("config.json", LABELS);
    const { info, said } = load();
    expect(info.labels).toEqual(["a", "b", "c", "d"]);
    expect(said).toContain("labels.txt has 2 labels, and the model has 4 classes; those of config.json are taken");
  });
});

describe("a file of Ultralytics", () => {
  const metadata = { task: "classify", imgsz: "[6, 6]", names: "{0: 'a', 1: \"it's\", 2: 'c', 3: 'd'}", stride: "1" };

  it("says itself what it is", () => {
    put("yolo-cls.onnx", network(metadata));
    const { info, preprocessing } = load();
    expect(info.labels).toEqual(["a", "it's", "c", "d"]);
    expect(info).toMatchObject({ fit: "crop", resampling: { interpolation: "bilinear" } });
    expect(preprocessing).toMatchObject({ mean: [0, 0, 0], std: [255, 255, 255] });
  });

  it.each(["detect", "segment", "pose", "obb", "x".repeat(1000)])(
    "for the task %s is refused in a sentence",
    (task) => {
      put("model.onnx", network({ ...metadata, task }));
      expect(() => loadModel(folder)).toThrow(/is a model of Ultralytics for the task "[^"]{1,40}".*-cls models$/);
    },
  );

  it("and its metadata.yaml beside another format says the same", () => {
    put("model.onnx", network());
    put("metadata.yaml", "task: classify\nimgsz: [6, 6]\nnames:\n  0: a\n  1: b\n  2: c\n  3: d\n");
    expect(load()).toMatchObject({ info: { labels: ["a", "b", "c", "d"], fit: "crop" } });
  });
});

describe("other tools", () => {
  it("Teachable Machine: metadata.json", () => {
    put("model.onnx", network());
    put("metadata.json", { tmVersion: "2.4.5", labels: ["a", "b", "c", "d"], imageSize: 6, grayscale: false });
    const { info, preprocessing } = load();
    expect(info).toMatchObject({ labels: ["a", "b", "c", "d"], fit: "crop" });
    expect(preprocessing).toMatchObject({ mean: [127, 127, 127], std: [127, 127, 127] });
  });

  it("the image properties of the ONNX standard, and those of Custom Vision beside the file", () => {
    put("model.onnx", network({ "Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255" }));
    expect(load().preprocessing).toMatchObject({ channelOrder: "BGR", mean: [0, 0, 0], std: [1, 1, 1] });
    put("model.onnx", network());
    put("metadata_properties.json", {
      "CustomVision.Preprocess.CropMethod": "FullImageShorterSide",
      "CustomVision.Preprocess.NormalizeMean": "[0.5, 0.5, 0.5]",
      "CustomVision.Preprocess.NormalizeStd": "[0.25, 0.25, 0.25]",
      "CustomVision.Preprocess.TargetWidth": "6",
      "CustomVision.Preprocess.TargetHeight": "6",
      "Image.BitmapPixelFormat": "Rgb8",
      "Image.NominalPixelRange": "Normalized_0_1",
    });
    const { info, preprocessing } = load();
    expect(info.fit).toBe("crop");
    // (v / 255 - 0.5) / 0.25
    expect(preprocessing).toMatchObject({ mean: [127.5, 127.5, 127.5], std: [63.75, 63.75, 63.75] });
  });

  it("timm: a file of its test size has the crop of that size", () => {
    put("model.onnx", network());
    const cfg = {
      input_size: [3, 4, 4],
      test_input_size: [3, 6, 6],
      crop_pct: 0.5,
      test_crop_pct: 0.75,
      mean: [0, 0, 0],
    };
    put("config.json", { architecture: "resnet18", label_names: ["a", "b", "c", "d"], pretrained_cfg: cfg });
    expect(load().info).toMatchObject({ resize: { width: 8, height: 8 }, labels: ["a", "b", "c", "d"] });
    // An older one has all in one map.
    put("config.json", { architecture: "resnet18", input_size: [3, 6, 6], crop_pct: 0.5, std: [1, 1, 1] });
    expect(load()).toMatchObject({
      info: { resize: { width: 12, height: 12 } },
      preprocessing: { std: [255, 255, 255] },
    });
  });
});

describe("what lies beside a model cannot do harm", () => {
  it.each(["config.json", "preprocessor_config.json", "metadata.json", "metadata.yaml", "metadata_properties.json"])(
    "%s that is broken, huge or leads out of the folder is left alone, and said",
    (name) => {
      put("model/model.onnx", network());
      const model = join(folder, "model");
      const said = (): string => loadModel(model).notes.join("\n");
      put(`model/${name}`, "{ [ broken");
      expect(said()).toContain(`${name} cannot be read as`);
      truncateSync(join(model, name), 2 ** 33);
      expect(said()).toContain(`${name} cannot be read as`);
      rmSync(join(model, name));
      put("secret", "{}");
      symlinkSync("../secret", join(model, name));
      expect(said()).toContain(`${name} is a link that leads out of its folder; it is left alone`);
    },
  );

  it("in caches that keep each file under a link it is read", () => {
    mkdirSync(join(folder, "snapshots/1/onnx"), { recursive: true });
    for (const [name, content] of [
      ["onnx/model.onnx", network()],
      ["config.json", LABELS],
    ] as const) {
      put(`blobs/${name.replaceAll("/", "-")}`, content);
      const up = name.includes("/") ? "../../.." : "../..";
      symlinkSync(`${up}/blobs/${name.replaceAll("/", "-")}`, join(folder, "snapshots/1", name));
    }
    expect(load({}, join(folder, "snapshots/1")).info.labels).toEqual(["a", "b", "c", "d"]);
  });

  it("values of any kind are taken or left, never thrown at", () => {
    put("model.onnx", network());
    const keys = fc.constantFrom(
      ..."size crop_size image_mean image_std resample do_resize do_center_crop crop_pct rescale_factor do_normalize image_processor_type architecture pretrained_cfg input_size mean std crop_mode interpolation id2label model_type image_size label_names".split(
        " ",
      ),
    );
    const values = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(0, -1, 6, 1e9, 0.5, "ViT", [3, 6, 6], { shortest_edge: 7 }, { height: 6, width: 6 }),
    );
    fc.assert(
      fc.property(fc.dictionary(keys, values), fc.dictionary(keys, values), (config, processor) => {
        put("config.json", config);
        put("preprocessor_config.json", processor);
        try {
          const { inputWidth, inputHeight, resize } = loadModel(folder).info;
          expect([inputWidth, inputHeight]).toEqual([6, 6]);
          expect(resize?.width ?? 1).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("metadata of a file is found without the network being read, and bytes that are no message are none", () => {
    const file = put("model.onnx", network({ a: "1", b: "2" }));
    expect([...onnxMetadata(readFileSync(file))]).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
    const bytes = readFileSync(file);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, byte, length) => {
        const broken = Uint8Array.from(bytes).subarray(0, length);
        broken[at] = byte;
        writeFileSync(file, broken);
        expect(onnxMetadata(readFileSync(file))).toBeInstanceOf(Map);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a card that is written", () => {
  it("is read again as the same model, and says where each value came from", () => {
    put("net.onnx", network());
    put("config.json", LABELS);
    put("preprocessor_config.json", {
      ...{ image_processor_type: "DeiTImageProcessor", size: { height: 9, width: 8 } },
      ...{ crop_size: { height: 6, width: 6 }, image_mean: [0.1, 0.2, 0.3], resample: 1 },
    });
    const model = load();
    const text = cardText(model, join(folder, "model.yaml"));
    expect(text).toContain("  mean: [25.5, 51, 76.5]  # preprocessor_config.json\n");
    expect(text).toContain("  resize: {width: 8, height: 9}  # preprocessor_config.json\n");
    expect(text).toContain("labels:  # config.json\n  - a\n");
    expect(() => parseCard(text, "model.yaml")).not.toThrow();
    for (const name of ["config.json", "preprocessor_config.json"]) rmSync(join(folder, name));
    put("model.yaml", text);
    const again = load();
    expect(again.info).toEqual(model.info);
    expect(again.preprocessing).toEqual(model.preprocessing);
    expect(again.said).toBe("");
  });

  it("keeps labels that YAML would take for something else", () => {
    put("net.onnx", network());
    put("config.json", { ...LABELS, id2label: { 0: "no", 1: "1.50", 2: "a: b # c", 3: "- \"x'" } });
    const model = load();
    put("model.yaml", cardText(model, join(folder, "model.yaml")));
    rmSync(join(folder, "config.json"));
    expect(load().info.labels).toEqual(["no", "1.50", "a: b # c", "- \"x'"]);
  });

  it("keeps labels of several lines, and values that look like units of 0..1", () => {
    put("net.onnx", network());
    put("labels.json", ["a\nb: c", "d", "e", "f"]);
    put("model.yaml", 'input: { mean: 0.5, std: 0.25, units: "0..255" }\n');
    const model = load();
    put("model.yaml", cardText(model, join(folder, "model.yaml")));
    expect(load().preprocessing).toEqual(model.preprocessing);
    rmSync(join(folder, "model.yaml"));
    rmSync(join(folder, "labels.json"));
    put("config.json", { ...LABELS, id2label: { 0: "a\nb: c", 1: "d", 2: "e", 3: "f" } });
    put("model.yaml", cardText(load(), join(folder, "model.yaml")));
    rmSync(join(folder, "config.json"));
    expect(load().info.labels).toEqual(["a\nb: c", "d", "e", "f"]);
  });

  it("leaves what is not known to be filled in", () => {
    put("net.onnx", network());
    const text = cardText(load(), join(folder, "model.yaml"));
    expect(text).toContain("  # mean: [123.675, 116.28, 103.53]\n");
    expect(text).toContain("# labels: labels.txt");
    put("model.yaml", text);
    expect(load().preprocessing).toBeUndefined();
  });
});
