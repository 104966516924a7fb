import type { Placement } from "../frame.js";
import { BLEND_KERNEL } from "./blend-kernel.js";
import { fitPlane, type HeatPlane } from "./heat-plane.js";
import type { HeatTable } from "./heat-table.js";
import { type Picture, pixelsIn } from "./picture.js";

const PAGE = 65536;
/** The kernel's stack lies below. */
const JOB = 4096;
const PIXELS = PAGE;
const ONE = 1 << 14;
/** The kernel loads 16 bytes where it needs 12. */
const SPARE = 16;

/** Bytes of a table of 2043 entries, rounded up. */
const TABLE = 16384;

// Node has it; the compiler knows it only with the browser's declarations.
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => { buffer: ArrayBuffer; grow(pages: number): number };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
};

type Blend = (job: number, first: number, down: number, across: number) => void;

export type Canvas = ReturnType<typeof createCanvas>;

/** The memory of one picture and the heat to be laid over it, where the WebAssembly kernel reaches both. */
export function createCanvas() {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const kernel = new WebAssembly.Module(Buffer.from(BLEND_KERNEL, "base64"));
  const blend = new WebAssembly.Instance(kernel, { env: { memory } }).exports.blend as Blend;
  let picture: Picture = { width: 0, height: 0, pixels: new Uint8Array(0) };

  /** Addresses after the pixels, for a heatmap of this size. */
  function places(columns: number, rows: number) {
    const { width, height } = picture;
    const table = PIXELS + Math.ceil((3 * width * height + SPARE) / 16) * 16;
    const starts = table + TABLE;
    const shares = starts + 4 * (columns + 2);
    const line = shares + 4 * (columns + 2);
    const entries = line + 4 * columns;
    const heat = entries + 2 * (width + 4);
    return { table, starts, shares, line, entries, heat, end: heat + columns * rows };
  }

  return {
    /** A picture with undefined content. It and a heatmap of up to `columns * rows` fit; the former picture is void. */
    open({ width, height, columns, rows }: Record<"width" | "height" | "columns" | "rows", number>): Picture {
      picture = { width, height, pixels: picture.pixels };
      const missing = places(columns, rows).end - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
      picture.pixels = new Uint8Array(memory.buffer, PIXELS, 3 * width * height);
      return picture;
    },

    /**
     * Lays heat over the open picture: the heatmap, stretched bilinearly over `placement.rect`, inside `placement.clip`.
     * Heatmap pixel (i, j) has its centre at (i + 0.5, j + 0.5) of the model's input; beyond the outer centres the edge
     * value holds.
     */
    drawHeat(heatmap: HeatPlane, { rect, clip }: Placement, table: HeatTable): void {
      const plane = fitPlane(heatmap, rect);
      const { columns, rows } = plane;
      const { left, right, top, bottom } = pixelsIn(clip, picture);
      if (left >= right || top >= bottom) return;
      const across = columns / rect.width;
      const down = rows / rect.height;
      const at = places(columns, rows);
      const { buffer } = memory;
      new Uint16Array(buffer, at.table, table.entries.length).set(table.entries);
      new Uint8Array(buffer, at.heat, columns * rows).set(plane.values);

      // Between two neighbouring heatmap columns heat is linear in x: cell i runs from column i - 1 to column i.
      const starts = new Int32Array(buffer, at.starts, columns + 2);
      const shares = new Int32Array(buffer, at.shares, columns + 1);
      for (let cell = 0; cell <= columns; cell++) {
        const start = cell === 0 ? left : Math.ceil((cell - 0.5) / across + rect.x - 0.5);
        const x = Math.max(left, Math.min(right, start));
        starts[cell] = x;
        shares[cell] = Math.round(((x + 0.5 - rect.x) * across - 0.5 - (cell - 1)) * ONE);
      }
      starts[columns + 1] = right;

      // In the order of `job` in blend-kernel.c.
      new Int32Array(buffer, JOB, 14).set([
        ...[PIXELS, picture.width, top, bottom],
        ...[at.heat, columns, rows],
        ...[at.starts, at.shares],
        ...[at.table, table.clearFrom << 8, table.clearTo << 8],
        ...[at.line, at.entries],
      ]);
      blend(JOB, (top + 0.5 - rect.y) * down - 0.5, down, across);
    },
  };
}
