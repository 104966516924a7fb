/**
 * How still an overlay is on a still scene, and what that costs: one frame of a film and four pictures of parts with masks, decided right, are
 * shown again and again with camera noise, JPEG and a light that flickers, and each setting that could make the overlay steadier is varied alone.
 *
 *   npm run build && node bench/flicker.mjs [--frames 24] [--models efficientnet-lite0,inspection-cnn] [--methods a,b]
 *
 * moves: mean |overlay_t − overlay_t−1| over all pixels and channels, in grey levels; flicker: that over mean |overlay − picture|. The overlay is
 * drawn on the undisturbed picture, so that nothing but the heat moves. scale: standard deviation of the published scale over its mean.
 * clipped: share of |R| that is beyond the scale. strong in mask: of the pixels drawn at half strength or more the share within the mask,
 * where there is one.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { filmFrame } from "./film-frame.mjs";

const { Programs } = await import("../dist/evaluate/map-source.js");
const { readMethods } = await import("../dist/evaluate/methods.js");
const { normal, uniform } = await import("../dist/evaluate/random.js");
const { loadModel } = await import("../dist/explain/model/load.js");
const { heatAt } = await import("../dist/overlay/heat-table.js");

const { values: args } = parseArgs({
  options: {
    frames: { type: "string", default: "24" },
    models: { type: "string", default: "efficientnet-lite0,inspection-cnn" },
    methods: {
      type: "string",
      default: "r-lrp-graded,r-lrp-local,r-lrp,r-lrp-absolute,epsilon-plus-flat,epsilon-gamma-box,grad-cam",
    },
  },
});
const FRAMES = Number(args.frames);
if (!Number.isSafeInteger(FRAMES) || FRAMES < 2) {
  console.error(`--frames ${args.frames} is not a number of frames; give 2 or more`);
  process.exit(2);
}
const at = (path) => new URL(`../${path}`, import.meta.url).pathname;
const DEFAULT = { method: "r-lrp-graded", blur: 2, fraction: 0.005, share: 0.05, show: "magnitude" };
const VARIED = {
  method: args.methods.split(","),
  blur: [0, 1, 2, 3, 4],
  fraction: [0, 0.001, 0.005, 0.01, 0.05],
  share: [1, 0.2, 0.1, 0.05, 0.02],
  show: ["magnitude", "signed", "positive"],
};

/** What a camera makes of one and the same scene: noise of 3 grey levels, light that changes by 3 %, JPEG of quality 80. */
async function shown(picture, side, t) {
  const next = normal(7, t);
  const light = 1 + 0.03 * (2 * uniform(11, t)() - 1);
  const noisy = new Uint8Array(Uint8ClampedArray.from(picture, (v) => v * light + 3 * next()).buffer);
  const jpeg = await sharp(noisy, { raw: { width: side, height: side, channels: 3 } })
    .jpeg({ quality: 80 })
    .toBuffer();
  return new Uint8Array(await sharp(jpeg).removeAlpha().raw().toBuffer());
}

/** A map blurred by a Gaussian, the border repeated. */
function blurred(map, side, sigma) {
  if (sigma === 0) return map;
  const reach = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-((k - reach) ** 2) / (2 * sigma * sigma)));
  const sum = kernel.reduce((a, b) => a + b);
  const along = (from, step, line) => {
    const to = new Float32Array(from.length);
    for (let l = 0; l < side; l++)
      for (let k = 0; k < side; k++) {
        let value = 0;
        for (let d = -reach; d <= reach; d++)
          value += kernel[d + reach] * from[l * line + Math.min(side - 1, Math.max(0, k + d)) * step];
        to[l * line + k * step] = value / sum;
      }
    return to;
  };
  return along(along(map, 1, side), side, 1);
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Draws the maps of one scene with one setting. */
function measured({ picture, side, mask }, maps, { blur, fraction, share, show }) {
  const smooth = maps.map((map) => {
    const sum = map.reduce((s, v) => s + Math.abs(v), 0);
    return blurred(map, side, blur).map((v) => v / sum);
  });
  let scale = 0;
  let before;
  /** @type {Record<"scales" | "moves" | "heats" | "within" | "clipped", number[]>} */
  const { scales, moves, heats, within, clipped } = { scales: [], moves: [], heats: [], within: [], clipped: [] };
  for (const map of smooth) {
    const rising = map.map(Math.abs).sort();
    const peak = rising[rising.length - Math.max(1, Math.ceil(fraction * map.length))];
    // As a station does: the frame is drawn with the scale of those before it.
    const used = scale === 0 ? peak : scale;
    scale = scale === 0 ? peak : scale + share * (peak - scale);
    const overlay = new Float32Array(picture.length);
    let [inside, all, heat, beyond] = [0, 0, 0, 0];
    for (let k = 0; k < map.length; k++) {
      const level = Math.min(255, Math.max(1, Math.round((127 * map[k]) / used) + 128));
      const { red, green, blue, cover } = heatAt({ show, colormap: "inferno", opacity: 0.6 }, level);
      [red, green, blue].forEach((colour, c) => {
        const value = picture[3 * k + c] * (1 - cover) + colour * cover;
        overlay[3 * k + c] = value;
        heat += Math.abs(value - picture[3 * k + c]);
      });
      const isStrong = Math.abs(level - 128) >= 64;
      if (isStrong) all++;
      if (isStrong && mask?.[k]) inside++;
      beyond += Math.max(0, Math.abs(map[k]) - used);
    }
    if (before) {
      scales.push(used);
      moves.push(mean(overlay.map((v, k) => Math.abs(v - before[k]))));
      heats.push(heat / overlay.length);
      clipped.push(beyond / rising.reduce((a, b) => a + b, 0));
      if (mask) within.push(all > 0 ? inside / all : 0);
    }
    before = overlay;
  }
  const deviation = Math.sqrt(mean(scales.map((s) => (s - mean(scales)) ** 2)));
  return {
    ...{ flicker: mean(moves) / mean(heats), moves: mean(moves) },
    ...{ scale: deviation / mean(scales), clipped: mean(clipped) },
    within: within.length > 0 ? mean(within) : Number.NaN,
  };
}

const rgb = (input, side) =>
  sharp(input).resize(side, side, { fit: "fill" }).removeAlpha().toColourspace("srgb").raw().toBuffer();

async function scenes() {
  const frame = filmFrame();
  const labels = readFileSync(at("test/fixtures/inspection/labels.csv"), "utf8").trim().split("\n").slice(1);
  const parts = labels.filter((line) => !line.endsWith(",ok"));
  return [
    {
      model: "efficientnet-lite0",
      pictures: [{ picture: await rgb(frame, 224), side: 224, label: undefined, mask: undefined }],
    },
    {
      model: "inspection-cnn",
      pictures: await Promise.all(
        parts.map(async (line) => {
          const [file, label] = line.split(",");
          const mask = await sharp(at(`test/fixtures/inspection/masks/${file}`))
            .greyscale()
            .raw()
            .toBuffer();
          const picture = await rgb(at(`test/fixtures/inspection/images/${file}`), 96);
          return { picture, side: 96, label, mask: mask.map((v) => (v > 127 ? 1 : 0)) };
        }),
      ),
    },
  ];
}

const figure = (value) => (Number.isNaN(value) ? "–" : value.toFixed(3));
for (const { model, pictures } of await scenes()) {
  if (!args.models.split(",").includes(model)) continue;
  const programs = new Programs(loadModel(at(`models/${model}`), {}), "onnxruntime");
  const network = await programs.scores();
  const sets = [];
  for (const scene of pictures) {
    const [{ top }] = await network.decisions(scene.picture);
    if (sets.length === 4 || (scene.label && scene.label !== programs.model.info.labels[top])) continue;
    const frames = await Promise.all(Array.from({ length: FRAMES }, (_, t) => shown(scene.picture, scene.side, t)));
    sets.push({ scene, top, frames: Buffer.concat(frames) });
  }
  const mapsOf = async (name) => {
    const source = await programs.source(readMethods(name)[0]);
    const maps = [];
    for (const { top, frames } of sets)
      maps.push(await source.maps({ frames, targets: new Array(FRAMES).fill(top), seeds: [] }));
    await source.close();
    return maps;
  };
  const ofDefault = await mapsOf(DEFAULT.method);
  console.log(`\n${model}, ${sets.length === 1 ? "one scene" : `${sets.length} scenes`}, ${FRAMES} frames each\n`);
  console.log("| setting | flicker | moves | scale | clipped | strong in mask |\n|---|---|---|---|---|---|");
  for (const [key, values] of Object.entries(VARIED))
    for (const value of values) {
      const maps = key === "method" ? await mapsOf(value) : ofDefault;
      const each = sets.map(({ scene }, k) => measured(scene, maps[k], { ...DEFAULT, [key]: value }));
      const figures = ["flicker", "moves", "scale", "clipped", "within"].map((name) =>
        figure(mean(each.map((m) => m[name]))),
      );
      console.log(`| ${key} ${value}${value === DEFAULT[key] ? " (default)" : ""} | ${figures.join(" | ")} |`);
    }
  await network.runner.close();
}
