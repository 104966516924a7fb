/** One source's picture: keeps the newest bitmaps and blends them as the buttons say, at any time, on any size. */
import { penWidth } from "./charts.js";
import { colour, tableOf } from "./colors.js";

const PLAIN = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
const decode = (blob, options) => (blob ? createImageBitmap(blob, options) : null);

/** The heatmap's 8-bit values as ImageData, whose red channel holds them. */
function pixelsOf(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

export function createPicture(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  let held = null;
  let mode = "magnitude";
  let heat = null;

  /** What can be shown of the picture held: with neither original nor overlay there is the heatmap alone. */
  const shows = (wanted) => {
    if (!held) return true;
    if (wanted === "original") return held.original !== null;
    return held.heatmap !== null || held.original !== null || (wanted === "magnitude" && held.overlay !== null);
  };

  const heatFor = (wanted) => {
    const table = tableOf(wanted);
    if (heat?.of === held.heatmap && heat.table === table) return heat.canvas;
    const { width, height, data } = held.heatmap;
    const coloured = new ImageData(new Uint8ClampedArray(data), width, height);
    colour(coloured.data, table);
    const layer = heat?.canvas ?? new OffscreenCanvas(width, height);
    Object.assign(layer, { width, height });
    layer.getContext("2d").putImageData(coloured, 0, 0);
    heat = { of: held.heatmap, table, canvas: layer };
    return layer;
  };

  const drawRegion = (scaleX, scaleY, { x, y, width, height }) => {
    const { frame } = held;
    if (x <= 0 && y <= 0 && width >= frame.width && height >= frame.height) return;
    const line = penWidth(0.09);
    // Odd lines are sharp between pixel borders, even ones on them.
    const offset = (line % 2) / 2;
    const left = Math.round(x * scaleX) + offset;
    const top = Math.round(y * scaleY) + offset;
    const box = [left, top, Math.round(width * scaleX), Math.round(height * scaleY)];
    context.lineWidth = line + 2;
    context.strokeStyle = "rgb(0 0 0 / 45%)";
    context.strokeRect(...box);
    context.lineWidth = line;
    context.strokeStyle = "rgb(255 255 255 / 85%)";
    context.strokeRect(...box);
  };

  const draw = () => {
    if (!held) return;
    const { width, height } = canvas;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    const published = mode === "magnitude" && !held.original ? held.overlay : null;
    const base = held.original ?? published;
    if (base) context.drawImage(base, 0, 0, width, height);
    else {
      context.fillStyle = "#0b0e12";
      context.fillRect(0, 0, width, height);
    }
    if (mode === "original" || published) return;
    const { placement, frame } = held;
    const scaleX = width / frame.width;
    const scaleY = height / frame.height;
    if (held.heatmap) {
      const layer = heatFor(mode);
      context.save();
      if (placement) {
        const { rect, clip } = placement;
        context.beginPath();
        context.rect(clip.x * scaleX, clip.y * scaleY, clip.width * scaleX, clip.height * scaleY);
        context.clip();
        context.drawImage(layer, rect.x * scaleX, rect.y * scaleY, rect.width * scaleX, rect.height * scaleY);
      } else {
        // Where it lies is not known: the model's input as it is, in the middle.
        const fit = Math.min(width / layer.width, height / layer.height);
        const [w, h] = [layer.width * fit, layer.height * fit];
        context.drawImage(layer, (width - w) / 2, (height - h) / 2, w, h);
      }
      context.restore();
    }
    if (placement) drawRegion(scaleX, scaleY, placement.clip);
  };

  /** Gives the canvas as many pixels as it has on screen, in the frame's proportions. */
  const resize = () => {
    if (!held) return;
    const { width, height } = held.frame;
    const box = canvas.parentElement.getBoundingClientRect();
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.closest(".tile, .view").style.setProperty("--aspect", width / height);
    const drawn = box.height > 0 ? Math.min(box.width, (box.height * width) / height) : box.width;
    canvas.style.width = `${drawn}px`;
    const w = Math.max(16, Math.min(3840, Math.round(drawn * (devicePixelRatio || 1))));
    const h = Math.max(16, Math.round((w * height) / width));
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    draw();
  };
  new ResizeObserver(resize).observe(canvas.parentElement);

  return {
    /** Decodes and draws with the next screen refresh; resolves when it is drawn. Rejects on a broken picture. */
    async show(header, parts) {
      const [original, overlay, map] = await Promise.all([
        decode(parts.original),
        decode(parts.overlay),
        decode(parts.heatmap, PLAIN),
      ]);
      const before = held;
      held = { frame: header.frame, placement: header.placement, original, overlay, heatmap: map && pixelsOf(map) };
      map?.close();
      await new Promise(requestAnimationFrame);
      const { frame } = held;
      if (before?.frame.width !== frame.width || before?.frame.height !== frame.height) resize();
      else draw();
      before?.original?.close();
      before?.overlay?.close();
    },
    setMode(wanted) {
      mode = wanted;
      draw();
    },
    redraw: draw,
    shows,
    get has() {
      return held !== null;
    },
    get heatmapAlone() {
      return held !== null && !held.original && !(mode === "magnitude" && held.overlay);
    },
    get classifiedOnly() {
      return held !== null && !held.heatmap && !held.overlay;
    },
  };
}
