import { readdirSync, readFileSync } from "node:fs";
import { childrenOf } from "../e2e/worker.js";

/** What a process holds now. */
export interface Held {
  rssMiB: number;
  descriptors: number;
  children: number;
}

export function heldBy(pid: number): Held {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return {
    rssMiB: (pages * 4096) / 2 ** 20,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    children: childrenOf(pid).length,
  };
}

/** Slope of a least-squares line, in units of y a unit of x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, p) => sum + p[at], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  const above = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const below = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return above / below;
}

/** A count from the environment: `NAME=1000 npx vitest run …`. */
export const countFrom = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
