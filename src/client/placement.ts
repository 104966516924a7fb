import { z } from "zod";

const rect = z.object({ x: z.number(), y: z.number(), width: z.number().positive(), height: z.number().positive() });
const placement = z.object({ width: z.int().positive(), height: z.int().positive(), rect, clip: rect });

/**
 * Where a heatmap lies on its frame, in the frame's pixels: stretched over `rect`, which may reach beyond the frame, and
 * seen within `clip` alone. `width` and `height` are the frame's.
 */
export type HeatmapPlacement = z.infer<typeof placement>;

/** Of the header `Heatmap-Placement`; undefined without one. Throws where it is none. */
export const placementOf = (header: string | undefined): HeatmapPlacement | undefined =>
  header ? placement.parse(JSON.parse(header)) : undefined;
