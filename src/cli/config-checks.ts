import { resolve } from "node:path";
import { unknownLabels } from "../config/choice-labels.js";
import type { Config } from "../config/schema.js";
import { type ConfigFault, InputError } from "../errors.js";
import { dotted } from "../yaml-locate.js";

/** Looks at what a configuration names, without starting it. Faults bear a path; their place in the text is added. */
export type ConfigCheck = (config: Config, baseDir: string) => Promise<ConfigFault[]>;

/** Each probes a film with ffprobe. */
const PROBES_AT_ONCE = 4;

/** Faults of the user's making are collected, others thrown. */
async function faultOf(path: string, look: () => Promise<unknown> | unknown): Promise<ConfigFault[]> {
  try {
    await look();
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return [{ path, message: error.message }];
  }
}

/** Loads the model. */
export const checkModel: ConfigCheck = async (config, baseDir) => {
  const [{ loadModel }, { withTarget }, { requireExplainable }] = await Promise.all([
    import("../explain/model/load.js"),
    import("../explain/model/target.js"),
    import("../explain/programs/explainable.js"),
  ]);
  let classes: number | undefined;
  let labels: readonly string[] = [];
  const faults = await faultOf("model.path", () => {
    const loaded = loadModel(resolve(baseDir, config.model.path), config.model);
    classes = loaded.classes;
    labels = loaded.info.labels;
    requireExplainable(loaded, { ...config.explain, target: "top" });
  });
  const { target } = config.explain;
  if (classes !== undefined && typeof target === "string")
    faults.push(
      ...(await faultOf("explain.target", () => withTarget({ target }, { info: { name: "the model", labels } }))),
    );
  if (classes !== undefined && typeof target === "number" && target >= classes) {
    const message = `explain.target ${target} is not a class of the model, which has ${classes}; use 0 to ${classes - 1}, or top`;
    faults.push({ path: "explain.target", message });
  }
  if (classes !== undefined) {
    for (const { path, text } of unknownLabels(config, labels)) faults.push({ path: dotted(path), message: text });
  }
  return faults;
};

const sources: ConfigCheck = async (config, baseDir) => {
  const { checkSource } = await import("../pipeline/check.js");
  const waiting = [...config.sources.entries()];
  const faults: ConfigFault[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [i, source] = next;
      faults.push(...(await faultOf(`sources[${i}].url`, () => checkSource(source, baseDir))));
    }
  };
  await Promise.all(Array.from({ length: PROBES_AT_ONCE }, worker));
  return faults;
};

const natsLogins: ConfigCheck = async (config, baseDir) => {
  if (!config.sinks.some((sink) => sink.kind === "nats")) return [];
  const [{ readServers }, { loginFaults }] = await Promise.all([
    import("../sinks/nats/servers.js"),
    import("../sinks/nats/login.js"),
  ]);
  const faults = config.sinks.map(async (sink, i): Promise<ConfigFault[]> => {
    if (sink.kind !== "nats") return [];
    const found: ConfigFault[] = [];
    const unreadable = await faultOf(`sinks[${i}].servers`, async () => {
      for (const { key, message } of await loginFaults(readServers(sink, baseDir))) {
        found.push({ path: `sinks[${i}].${key}`, message: `sinks[${i}].${message}` });
      }
    });
    return [...unreadable, ...found];
  });
  return (await Promise.all(faults)).flat();
};

/** What `run` checks before it starts: the model is loaded once, by the thread that explains with it. */
export const startChecks: readonly ConfigCheck[] = [sources, natsLogins];
/** One line adds a check. */
export const configChecks: readonly ConfigCheck[] = [checkModel, ...startChecks];
