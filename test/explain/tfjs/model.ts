import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import type { Network } from "../../../src/explain/network/network.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";

/** The network of a folder that holds model.json and its weights. */
export function tfjsNetwork(folder: string): Network {
  const json = readFileSync(join(folder, "model.json"), "utf8");
  return canonicalise(importTfjs(json, (name) => readFileSync(join(folder, name))));
}
