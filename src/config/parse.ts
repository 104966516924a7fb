import type { Document } from "yaml";
import { excess } from "../bounded-yaml.js";
import { ConfigError, type ConfigFault } from "../errors.js";
import { learnSecrets } from "../redact.js";
import { dotted, find, place, position, undotted } from "../yaml-locate.js";
import { crossChecks, type PartialConfig } from "./cross-checks.js";
import { type Environment, type Substituted, Variables } from "./environment.js";
import { type Config, configSchema, type Role, sinkSchema, sourceSchema } from "./schema.js";
import { type PlacedFault, type Reading, schemaFaults } from "./schema-faults.js";
import { withNames } from "./sink-names.js";
import { MAX_ALIASES, parseYaml, type SyntaxFault } from "./syntax.js";

/** More faults than these are counted, not listed. */
const MAX_FAULTS = 100;

/** A valid configuration and where its parts stand in the text. */
export interface ParsedConfig {
  config: Config;
  /** 1-based place of a dotted path such as `sources[0].url`, or of its nearest ancestor. */
  locate(path: string): { line: number; column: number };
}

/** Makes `file:line:column: text` of a placed fault. */
export const faultAt = (fileName: string, fault: PlacedFault): ConfigFault => ({
  path: fault.path,
  line: fault.line,
  column: fault.column,
  message: `${fileName}:${fault.line}:${fault.column}: ${fault.text}`,
});

function throwFaults(fileName: string, faults: PlacedFault[]): never {
  const unique = new Map<string, PlacedFault>();
  for (const fault of faults) {
    // A fault in a part that several places share is one fault.
    const key = `${fault.line}:${fault.column}:${fault.text.replace(/\[\d+\]/g, "[]")}`;
    if (!unique.has(key)) unique.set(key, fault);
  }
  const sorted = [...unique.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  const listed = sorted.slice(0, MAX_FAULTS).map((fault) => faultAt(fileName, fault));
  const more = sorted.length - listed.length;
  if (more > 0) {
    listed.push({ path: "", message: `${fileName}: there are ${more} more faults; mend these first` });
  }
  throw new ConfigError(listed);
}

const whole = (text: string): PlacedFault[] => [{ path: "", line: 1, column: 1, text }];

/** One mistake often confuses the parser for the rest of its line. */
function firstOfEachLine(faults: PlacedFault[]): PlacedFault[] {
  const lines = new Map<number, PlacedFault>();
  for (const fault of faults) {
    const known = lines.get(fault.line);
    if (!known || fault.column < known.column) lines.set(fault.line, fault);
  }
  return [...lines.values()];
}

/** Plain data of a document. Aliases that expand too far, or to themselves, are refused. */
function plainData(fileName: string, document: Document, role: Role | undefined): unknown {
  const data = expanded(fileName, document);
  const isMap = typeof data === "object" && data !== null && !Array.isArray(data);
  return role !== undefined && isMap ? { ...data, role } : data;
}

function expanded(fileName: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof RangeError) throw error;
    if (!(error instanceof ReferenceError)) throw error;
    const text = "aliases expand too far; write the values out";
    return throwFaults(fileName, whole(text));
  }
}

/** Validates; text that only looked like a number in a variable becomes text again where text is wanted. */
function validate(fileName: string, document: Document, substituted: Substituted, role: Role | undefined) {
  const data = plainData(fileName, document, role);
  const result = configSchema.safeParse(data);
  if (result.success || substituted.asText.size === 0) return { data, result };
  let changed = false;
  for (const issue of result.error.issues) {
    if (issue.code !== "invalid_type" || issue.expected !== "string") continue;
    const node = find(document, issue.path).node;
    const text = substituted.asText.get(node);
    if (text === undefined) continue;
    (node as { value?: unknown }).value = text;
    changed = true;
  }
  if (!changed) return { data, result };
  const again = plainData(fileName, document, role);
  return { data: again, result: configSchema.safeParse(again) };
}

/** The parts that are valid in themselves, so that contradictions show beside other faults. */
function validParts(data: unknown): PartialConfig {
  const { sources, sinks, metrics, explain, role, fleet } = Object(data) as Record<string, unknown>;
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  return {
    sources: list(sources).map((source) => sourceSchema.safeParse(source).data),
    sinks: list(sinks).map((sink) => sinkSchema.safeParse(sink).data),
    metrics: configSchema.shape.metrics.safeParse(metrics).data,
    explain: configSchema.shape.explain.safeParse(explain).data,
    role: configSchema.shape.role.safeParse(role).data,
    fleet: configSchema.shape.fleet.safeParse(fleet).data,
    written: data,
  };
}

function read(text: string, fileName: string, env: Environment, role: Role | undefined): ParsedConfig {
  const more = excess(text);
  if (more !== undefined) throwFaults(fileName, whole(`the text has ${more}; a configuration is a short YAML file`));
  const variables = new Variables(text, env);
  const { document, lines, faults: syntax } = parseYaml(variables.hidden);
  const placed = ({ offset, message }: Pick<SyntaxFault, "offset" | "message">): PlacedFault => ({
    path: "",
    ...position(lines, offset),
    text: variables.restore(message),
  });
  if (syntax.some((fault) => fault.fatal)) throwFaults(fileName, firstOfEachLine(syntax.map(placed)));
  if (document.contents === null)
    throwFaults(fileName, whole("the configuration is empty; it needs model, sources and sinks"));

  const substituted = variables.substitute(document);
  const faults = [...syntax, ...substituted.faults].map(placed);
  const { data, result } = validate(fileName, document, substituted, role);
  learnSecrets([data, variables.secrets()], true);
  const reading: Reading = {
    schema: configSchema,
    called: "the configuration",
    document,
    lines,
    data,
    written: substituted.written,
    broken: substituted.broken,
  };
  if (!result.success) faults.push(...schemaFaults(result.error.issues, reading, MAX_FAULTS + 1));
  for (const { path, text: contradiction } of crossChecks(validParts(data))) {
    const at = place(find(document, path), lines, "value");
    faults.push({ path: dotted(path), ...at, text: contradiction });
  }
  if (faults.length > 0 || !result.success) throwFaults(fileName, faults);
  return {
    config: { ...result.data, sinks: withNames(result.data.sinks) },
    locate: (path) => place(find(document, undotted(path)), lines, "value"),
  };
}

/**
 * Reads, completes and checks a configuration. Throws ConfigError with every fault at once; `fileName` is what faults call
 * the text, `env` where `${NAME}` comes from, `role` takes the place of the role that it gives.
 */
export function parseLocated(text: string, fileName: string, env: Environment, role?: Role): ParsedConfig {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the search for them
  if (/[\u0000-\u0008\u000e-\u001f\ufffe\uffff]/.test(text)) {
    throw new ConfigError([{ path: "", message: `${fileName} is not text but binary data; give a YAML file` }]);
  }
  try {
    return read(text, fileName, env, role);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return throwFaults(fileName, whole("the text is nested too deeply; a configuration has a few levels"));
  }
}

/** `parseLocated` for those who only want the configuration. */
export const parseConfig = (text: string, fileName: string, env: Environment): Config =>
  parseLocated(text, fileName, env).config;
