import { stringify } from "yaml";
import type { Config } from "./schema.js";
import { maskSecrets } from "./secrets.js";

/** The configuration with its defaults and without its secrets, as plain data. */
export const resolvedData = (config: Config): unknown => maskSecrets(config);

/** The same as YAML. */
export const resolvedYaml = (config: Config): string => stringify(resolvedData(config), { lineWidth: 120 });
