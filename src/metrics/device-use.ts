import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { childEnvironment } from "../child-environment.js";

/** What a card is doing for all programs together; what its driver does not tell is left out. */
export interface DeviceUse {
  /** For people, such as `0: NVIDIA GeForce RTX 4070`. */
  device: string;
  usedBytes?: number;
  totalBytes?: number;
  /** Share of the time just past, 0 to 1. */
  busy?: number;
}

/** How long an answer is used again: a driver's tool takes tens of milliseconds of a processor. */
const FRESH_MS = 5000;
const TOOL_MS = 3000;
const MIB = 2 ** 20;
const QUERY = ["--query-gpu=index,name,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits"];

/**
 * Reads what the cards of this machine are doing: NVIDIA's by `nvidia-smi`, AMD's by the files of their driver. Never rejects: a driver that
 * does not answer has no figures.
 * @param root where `/sys` lies
 * @param tool NVIDIA's
 */
export function deviceUse(root = "/", tool = "nvidia-smi"): () => Promise<readonly DeviceUse[]> {
  let asked: Promise<readonly DeviceUse[]> | undefined;
  let freshUntil = 0;
  const ask = async (): Promise<DeviceUse[]> => (await Promise.all([nvidia(tool).catch(() => []), amd(root)])).flat();
  return () => {
    if (asked === undefined || performance.now() >= freshUntil) {
      asked = ask();
      freshUntil = performance.now() + FRESH_MS;
    }
    return asked;
  };
}

/** Text that is a number; anything else, such as `[N/A]`, is left out. */
const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
const times = (value: number | undefined, factor: number): number | undefined =>
  value === undefined ? undefined : value * factor;

function nvidia(tool: string): Promise<DeviceUse[]> {
  return new Promise((resolve) => {
    const options = { timeout: TOOL_MS, killSignal: "SIGKILL", env: childEnvironment() } as const;
    execFile(tool, QUERY, options, (error, stdout) => resolve(error ? [] : usesIn(stdout)));
  });
}

/** A line a card: index, name, MiB used, MiB in all, percent busy. */
function usesIn(answer: string): DeviceUse[] {
  return answer.split("\n").flatMap((line) => {
    const fields = line.split(",").map((field) => field.trim());
    if (fields.length < 5) return [];
    // The name may hold a comma.
    const [index, name, [used, total, busy]] = [fields[0]!, fields.slice(1, -3).join(", "), fields.slice(-3)];
    return {
      device: `${index}: ${name}`,
      usedBytes: times(numberIn(used), MIB),
      totalBytes: times(numberIn(total), MIB),
      busy: times(numberIn(busy), 0.01),
    };
  });
}

async function amd(root: string): Promise<DeviceUse[]> {
  const folder = path.join(root, "sys/class/drm");
  const names = await readdir(folder).catch(() => []);
  const cards = names.filter((name) => /^card\d+$/.test(name)).toSorted();
  const uses = await Promise.all(
    cards.map(async (card): Promise<DeviceUse[]> => {
      const read = async (name: string): Promise<number | undefined> =>
        numberIn(await readFile(path.join(folder, card, "device", name), "utf8").catch(() => undefined));
      const totalBytes = await read("mem_info_vram_total");
      if (totalBytes === undefined) return [];
      const usedBytes = await read("mem_info_vram_used");
      const busy = times(await read("gpu_busy_percent"), 0.01);
      return [{ device: card, usedBytes, totalBytes, busy }];
    }),
  );
  return uses.flat();
}
