/**
 * Three rules for attention, `Y = softmax(S) V`, compared on a trained network that has it and on pictures with masks of what is on
 * them: as defined (all to V), half to each factor with the softmax crossed one to one, and half to each with the softmax crossed by
 * its derivative, as AttnLRP has it. The last two exist here alone: the network and the layer's record are changed before it is compiled.
 *
 *   npm run build && node bench/attention-rules.mjs --pictures FOLDER [--model models/inspection-hybrid] [--threads 1]
 *
 * FOLDER holds labels.csv (file,label), images/ and masks/ of the same file names; pictures without a mask are left out. *mass* is the
 * share of the positive relevance within the mask, *rank* how many of the most relevant pixels, as many as the mask has, lie within it.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";

const { engineNamed } = await import("../dist/explain/engines/registry.js");
const { LAYERS } = await import("../dist/explain/layers/registry.js");
const { loadModel, requirePreprocessing } = await import("../dist/explain/model/load.js");
const { tensorProgram } = await import("../dist/explain/programs/tensor.js");
const { inputValues } = await import("../dist/explain/preprocessing.js");

const { values: args } = parseArgs({
  options: {
    pictures: { type: "string" },
    model: { type: "string", default: "models/inspection-hybrid" },
    threads: { type: "string", default: "1" },
  },
});
if (!args.pictures || !existsSync(path.join(args.pictures, "labels.csv"))) {
  console.error("--pictures FOLDER is needed, with labels.csv, images and masks.");
  process.exit(2);
}
const folder = args.pictures;
const model = loadModel(args.model);
const preprocessing = requirePreprocessing(model);
const { width, height, mean, std } = preprocessing;
const { labels = [] } = model.info;
const area = height * width;

const raw = (file, space) => sharp(file).resize(width, height).toColourspace(space).removeAlpha().raw().toBuffer();
/** `[1, 3, H, W]` as the card of the model wants it. */
function tensorOf(bytes) {
  const values = new Float32Array(3 * area);
  for (let k = 0; k < area; k++)
    for (let c = 0; c < 3; c++) values[c * area + k] = (bytes[3 * k + c] - mean[c % mean.length]) / std[c % std.length];
  return { input: { data: values, dims: [1, 3, height, width] } };
}
const rows = readFileSync(path.join(folder, "labels.csv"), "utf8").trim().split(/\r?\n/).slice(1);
const pictures = [];
for (const [file, label] of rows.map((row) => row.split(","))) {
  const mask = path.join(folder, "masks", file);
  if (!existsSync(mask)) continue;
  pictures.push({
    feeds: tensorOf(await raw(path.join(folder, "images", file), "srgb")),
    inside: Array.from((await raw(mask, "b-w")).subarray(0, area), (v) => v > 127),
    target: labels.indexOf(label),
  });
}

const pixels = (map) => Float32Array.from({ length: area }, (_, k) => map[k] + map[area + k] + map[2 * area + k]);
function massOf(map, inside) {
  let [within, all] = [0, 0];
  map.forEach((v, k) => {
    all += Math.max(v, 0);
    if (inside[k]) within += Math.max(v, 0);
  });
  return all > 0 ? within / all : 0;
}
function rankOf(map, inside) {
  const count = inside.filter(Boolean).length;
  const order = [...map.keys()].sort((a, b) => map[b] - map[a]).slice(0, count);
  return order.filter((k) => inside[k]).length / count;
}

/** Attention as a product of two signals, half of the relevance to each. */
const halved = (network) => ({
  ...network,
  layers: network.layers.map((layer) => {
    if (layer.kind !== "attention") return layer;
    const { gateFirst, ...rest } = layer;
    return { ...rest, kind: "matrixProduct", inputs: gateFirst ? layer.inputs.toReversed() : layer.inputs };
  }),
});
/** @type {Required<typeof LAYERS.softmax>} */
const own = /** @type {any} */ (LAYERS.softmax);
const RULES = {
  "as defined": { network: model.network, softmax: own },
  "half to each, softmax one to one": { network: halved(model.network), softmax: { ...own, family: "one-to-one" } },
  // Relevance for each unit of p, R / p, times the derivative of the softmax is R_x / x of R_x = x (R_p − p Σ R_p).
  "half to each, through the softmax": {
    network: halved(model.network),
    softmax: {
      ...own,
      family: "reindexing",
      back: (scope, layer, [r]) => own.gradient(scope, layer, r),
      permutes: true,
    },
  },
};

const range = { low: inputValues(preprocessing, 0), high: inputValues(preprocessing, 255), channelAxis: 1 };
console.log(`${pictures.length} pictures of ${folder}, ${model.info.name}\n`);
console.log("| method | rule | mass | rank |\n| --- | --- | ---: | ---: |");
for (const method of /** @type {const} */ (["r-lrp-graded", "r-lrp-local", "r-lrp", "r-lrp-absolute"])) {
  const figures = {};
  for (const [rule, { network, softmax }] of Object.entries(RULES)) {
    Object.assign(LAYERS, { softmax });
    figures[rule] = { mass: [], rank: [] };
    for (const target of new Set(pictures.map((picture) => picture.target))) {
      const program = tensorProgram(network, { method, target }, range);
      const runner = await engineNamed("onnxruntime")(program, { device: "cpu", threads: Number(args.threads) });
      for (const { feeds, inside } of pictures.filter((picture) => picture.target === target)) {
        const map = pixels((await runner.run(feeds)).relevance.data);
        figures[rule].mass.push(massOf(map, inside));
        figures[rule].rank.push(rankOf(map, inside));
      }
      await runner.close();
    }
  }
  const base = figures["as defined"];
  for (const [rule, { mass, rank }] of Object.entries(figures)) {
    const shown = (list, of) => {
      const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
      const apart = list.map((v, k) => v - of[k]);
      const error = Math.sqrt(mean(apart.map((v) => (v - mean(apart)) ** 2)) / (apart.length - 1));
      return list === of
        ? mean(list).toFixed(3)
        : `${mean(list).toFixed(3)} (${mean(apart).toFixed(3)} ± ${error.toFixed(3)})`;
    };
    console.log(`| \`${method}\` | ${rule} | ${shown(mass, base.mass)} | ${shown(rank, base.rank)} |`);
  }
}
