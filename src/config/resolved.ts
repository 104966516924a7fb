import { stringify } from "yaml";
import { redactData } from "../redact.js";
import type { Config } from "./schema.js";

/** The configuration with its defaults and without its secrets, as plain data. */
export const resolvedData = (config: Config): unknown => redactData(config);

/** The same as YAML. */
export const resolvedYaml = (config: Config): string => stringify(resolvedData(config), { lineWidth: 120 });
