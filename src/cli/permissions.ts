import { Command, Option } from "commander";
import { historySink } from "../config/history-sink.js";
import { loadConfig } from "../config/load.js";
import { type Config, type NatsSinkConfig, ROLES, type Role, sinkName } from "../config/schema.js";
import { InputError } from "../errors.js";
import { capturePermissions, explainPermissions } from "../fleet/permissions.js";
import { readFleetModel } from "../fleet/remote-explainer.js";
import { historyPermissions, type Permissions, sinkPermissions } from "../sinks/nats/permissions.js";
import { explainerOptions } from "../station/explainer-options.js";

interface Options {
  role?: Role;
  connection?: string;
}

/** What a sink needs, and viewers that begin with what it has published. */
function needsOf(sink: NatsSinkConfig, { sinks, station }: Config): Permissions {
  const isRead = sinks.some((one) => one.kind === "viewer" && one.history && historySink(one.history, sinks) === sink);
  const all = [sinkPermissions(sink, station), ...(isRead ? [historyPermissions(sink, station)] : [])];
  return { publish: all.flatMap(({ publish }) => publish), subscribe: all.flatMap(({ subscribe }) => subscribe) };
}

/** What each connection of a configuration to a NATS server needs, by name: those of its sinks, and `fleet`. */
function connections(config: Config, baseDir: string): Map<string, Permissions> {
  const found = new Map<string, Permissions>();
  for (const sink of config.role === "explain" ? [] : config.sinks) {
    if (sink.kind === "nats") found.set(sinkName(sink), needsOf(sink, config));
  }
  if (config.role === "all") return found;
  const { work } = readFleetModel(explainerOptions(config, baseDir));
  const needed = config.role === "capture" ? capturePermissions : explainPermissions;
  return found.set("fleet", needed(config, work));
}

const block = (key: string, subjects: readonly string[]): string => {
  // No list at all would allow everything.
  const list =
    subjects.length > 0 ? `[\n${subjects.map((subject) => `    "${subject}"\n`).join("")}  ]` : '{ deny: ">" }';
  return `  ${key}: ${list}\n`;
};

async function permissions(path: string, { role, connection }: Options): Promise<void> {
  const { config, baseDir } = await loadConfig(path, process.env, role);
  const all = connections(config, baseDir);
  const names = connection === undefined ? [...all.keys()] : [connection];
  const chosen = names.map((name) => {
    const one = all.get(name);
    if (one) return one;
    const known = all.size > 0 ? `there is ${[...all.keys()].join(", ")}` : "there is none to NATS";
    throw new InputError("config", `a configuration with role ${config.role} has no connection "${name}"; ${known}`);
  });
  const together = (key: keyof Permissions): string[] => [...new Set(chosen.flatMap((one) => one[key]))];
  const about = `# video-explainer, role ${config.role}, station ${config.station}: ${names.join(", ")}\n`;
  const body = block("publish", together("publish")) + block("subscribe", together("subscribe"));
  process.stdout.write(`${about}permissions: {\n${body}}\n`);
}

/** `video-explainer permissions CONFIG` */
export const permissionsCommand = (): Command =>
  new Command("permissions")
    .description("print what the NATS user of a configuration must be allowed, as a nats-server reads it")
    .argument("<config>", "YAML configuration")
    .addOption(new Option("--role <role>", "instead of the configuration's").choices([...ROLES]))
    .option("--connection <name>", "of one connection alone: the name of a sink, or fleet; default: of all together")
    .addHelpText(
      "after",
      `
All that is not printed may be denied. The printed block belongs into the user's entry of nats-server.conf; accounts and
operators take the same subjects (nsc edit user --allow-pub, --allow-sub).

Example:
  $ video-explainer permissions line-3.yaml --role capture`,
    )
    .action(permissions);
