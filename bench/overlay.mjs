/**
 * What the overlay of one 720p frame costs: CPU (all threads of the process) and wall clock, in milliseconds.
 * The worst case is drawn: heat on the whole frame, no pixel without relevance, a new probability each frame.
 *
 *   npm run build && node bench/overlay.mjs [--json] [--frames 200]
 */
import { parseArgs } from "node:util";

const { createOverlayRenderer } = await import("../dist/overlay/renderer.js");
const { createCanvas } = await import("../dist/overlay/canvas.js");
const { heatTable } = await import("../dist/overlay/heat-table.js");
const { createCaptionDrawer } = await import("../dist/overlay/caption.js");
const { createTextSetter } = await import("../dist/overlay/text.js");
const painter = await import("../dist/overlay/painter.js");

const { values: args } = parseArgs({
  options: { json: { type: "boolean", default: false }, frames: { type: "string", default: "200" } },
});
const frames = Number(args.frames);
if (!Number.isSafeInteger(frames) || frames < 1) {
  console.error(`--frames ${args.frames} is not a whole number of frames; give 1 or more.`);
  process.exit(2);
}

const width = 1280;
const height = 720;
const side = 224;
const whole = { x: 0, y: 0, width, height };
const layout = {
  width,
  height,
  inputWidth: side,
  inputHeight: side,
  stride: 3 * width,
  placement: { rect: whole, clip: whole },
};
const memory = new SharedArrayBuffer(layout.stride * (height + side));
const slab = new Uint8Array(memory);
for (let y = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    const light = 128 + 70 * Math.sin(x / 37) * Math.cos(y / 23) + 20 * Math.sin((x * y) / 900) + 6 * Math.random();
    for (let c = 0; c < 3; c++) slab[y * layout.stride + 3 * x + c] = light + 12 * c;
  }
}
const heatmap = Uint8Array.from({ length: side * side }, (_, index) => {
  const strength = 2 + Math.round(60 + 60 * Math.sin(index / 9) * Math.cos(index / (11 * side)));
  return index % 2 ? 128 + strength : 128 - strength;
});
/** @type {import("../dist/overlay/overlay.js").OverlayStyle} */
const style = { show: "magnitude", colormap: "inferno", opacity: 0.6, quality: 80 };
const want = { overlay: true, original: false, heatmap: false };

/** Mean cost of a call, its promise awaited. */
async function measure(work) {
  for (let frame = 0; frame < 30; frame++) await work(frame);
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let frame = 0; frame < frames; frame++) await work(frame);
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000 / frames, wallMs: (performance.now() - started) / frames };
}

const caption = (frame) => ({ label: "water bottle", probability: (frame * 0.0137) % 1 });
const renderer = createOverlayRenderer();
const overlay = await measure((frame) =>
  renderer.render({ memory, layout, heatmap, style, want, caption: caption(frame) }),
);
await renderer.close();

const canvas = createCanvas();
const picture = painter.copyPicture(memory, layout, canvas);
const plane = { columns: side, rows: side, values: heatmap };
const captions = createCaptionDrawer(createTextSetter());
const stages = {
  copy: await measure(() => painter.copyPicture(memory, layout, canvas)),
  blend: await measure(() => canvas.drawHeat(plane, layout.placement, heatTable(style))),
  caption: await measure((frame) => captions.draw(picture, caption(frame))),
  encode: await measure(() => {
    painter.copyPicture(memory, layout, canvas);
    canvas.drawHeat(plane, layout.placement, heatTable(style));
    return painter.encodeJpeg(picture, style.quality);
  }),
};
stages.encode.cpuMs -= stages.copy.cpuMs + stages.blend.cpuMs;
stages.encode.wallMs -= stages.copy.wallMs + stages.blend.wallMs;

if (args.json) {
  console.log(
    JSON.stringify({ benchmark: "overlay", width, height, heatmap: side, frames, budgetCpuMs: 15, overlay, stages }),
  );
} else {
  const row = (name, { cpuMs, wallMs }) =>
    console.log(`${name.padEnd(10)}${cpuMs.toFixed(2).padStart(10)}${wallMs.toFixed(2).padStart(10)}`);
  console.log(
    `overlay of a ${width} x ${height} frame, mean of ${frames}\n${"".padEnd(10)}${"CPU ms".padStart(10)}${"wall ms".padStart(10)}`,
  );
  for (const [name, cost] of Object.entries(stages)) row(`  ${name}`, cost);
  row("in all", overlay);
}
