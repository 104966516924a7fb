import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

interface Event {
  cat: string;
  name: string;
  args?: { provider?: string; op_name?: string };
}

/** Providers of onnxruntime that ran nodes, and the nodes of each, from the one profile whose name begins so. */
export function placementIn(profile: string): Map<string, Set<string>> {
  const [file] = readdirSync(dirname(profile)).filter((name) => name.startsWith(basename(profile)));
  const events = JSON.parse(readFileSync(join(dirname(profile), file!), "utf8")) as Event[];
  const placed = new Map<string, Set<string>>();
  for (const { cat, name, args } of events) {
    if (cat !== "Node" || args?.provider === undefined) continue;
    const nodes = placed.get(args.provider) ?? new Set();
    placed.set(args.provider, nodes.add(`${args.op_name} ${name.replace(/_kernel_time$/, "")}`));
  }
  return placed;
}
