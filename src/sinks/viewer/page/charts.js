/** The two lanes of a tile's timeline: the last minute, now at the right. */
import { classColour } from "./colors.js";

export const HISTORY_MS = 60_000;
const SLOT_MS = 250;

/** Width of a line in canvas pixels, `rems` of the text size: thicker on a wall monitor than on a phone. */
export function penWidth(rems) {
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  return Math.max(1, Math.round(rems * rem * (devicePixelRatio || 1)));
}

/** Sizes the canvas to its place in device pixels; null while it has none. */
function prepare(canvas) {
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (width === 0 || height === 0) return null;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The newest row of each quarter of a second, oldest first, with its place in time. */
function slots(rows, now) {
  const found = new Map();
  for (const row of rows) found.set(Math.floor(row.at / SLOT_MS), row);
  return [...found].filter(([slot]) => now - slot * SLOT_MS <= HISTORY_MS + SLOT_MS);
}

/** Longest time for which one frame's decision stands, in ms: batches come in bunches, slow sources rarely. */
function holds(found) {
  const gaps = found.slice(1).map(([slot], i) => (slot - found[i][0]) * SLOT_MS);
  const median = gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
  return Math.max(1000, 3 * median);
}

/** One bar a quarter of a second: its colour is the top class, its height how sure that was; gaps are missing frames. */
export function drawStrip(canvas, rows, now, style) {
  const area = prepare(canvas);
  if (!area) return;
  const { context, width, height } = area;
  const x = (at) => width - ((now - at) / HISTORY_MS) * width;
  context.fillStyle = style.getPropertyValue("--track");
  context.fillRect(0, 0, width, height);
  const found = slots(rows, now);
  const longest = holds(found);
  for (const [i, [slot, { label, probability }]] of found.entries()) {
    const next = found[i + 1]?.[0] ?? slot + 1;
    const until = (next - slot) * SLOT_MS <= longest ? next : slot + 1;
    const left = Math.round(x(slot * SLOT_MS));
    const right = Math.round(x(until * SLOT_MS));
    const tall = Math.max(2, probability * height);
    context.fillStyle = style.getPropertyValue(classColour(label));
    context.globalAlpha = 0.28;
    context.fillRect(left, 0, right - left, height);
    context.globalAlpha = 1;
    context.fillRect(left, height - tall, right - left, tall);
  }
}

/** Concentration from 0 at the bottom to 100 % at the top; the line breaks where frames are missing. */
export function drawSpark(canvas, rows, now, style) {
  const area = prepare(canvas);
  if (!area) return;
  const { context, width, height } = area;
  const pen = penWidth(0.12);
  const inset = pen;
  const x = (at) => width - ((now - at) / HISTORY_MS) * width;
  const y = (value) => height - inset - value * (height - 2 * inset);
  context.strokeStyle = style.getPropertyValue("--line");
  context.lineWidth = penWidth(0.06);
  for (const level of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(0, Math.round(y(level)) + 0.5);
    context.lineTo(width, Math.round(y(level)) + 0.5);
    context.stroke();
  }
  const runs = [];
  const explained = rows.filter(({ concentration }) => concentration !== null);
  for (const [, { at, concentration }] of slots(explained, now)) {
    const run = runs.at(-1);
    if (run && at - run.at(-1)[0] < 3000) run.push([at, concentration]);
    else runs.push([[at, concentration]]);
  }
  context.strokeStyle = style.getPropertyValue("--accent");
  context.fillStyle = style.getPropertyValue("--accent");
  context.lineWidth = pen;
  context.lineJoin = "round";
  for (const run of runs) {
    context.beginPath();
    for (const [at, value] of run) context.lineTo(x(at), y(value));
    context.stroke();
    context.lineTo(x(run.at(-1)[0]), height);
    context.lineTo(x(run[0][0]), height);
    context.globalAlpha = 0.14;
    context.fill();
    context.globalAlpha = 1;
  }
}
