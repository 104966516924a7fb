/** One sample of Prometheus' text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  help: string;
  type: string;
  samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;

function number(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  if (!/^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text)) throw new Error(`not a value: ${text}`);
  return Number(text);
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const match = LABEL.exec(rest);
    if (!match) throw new Error(`not a label: ${rest}`);
    if (match[1]! in labels) throw new Error(`label given twice: ${match[1]}`);
    labels[match[1]!] = match[2]!.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    rest = rest.slice(match[0].length);
  }
  return labels;
}

const SUFFIXES: Record<string, string[]> = {
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

/** Reads Prometheus' text format 0.0.4 strictly: HELP, TYPE and samples of a family together, no sample twice. */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: Family | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const helps = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    const types = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`).exec(line);
    const sample = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
    if (helps) help = { name: helps[1]!, text: helps[2]! };
    else if (types) {
      const name = types[1]!;
      if (help?.name !== name) throw new Error(`TYPE without HELP: ${name}`);
      if (families.has(name)) throw new Error(`family given twice: ${name}`);
      current = { name, help: help.text, type: types[2]!, samples: [] };
      families.set(name, current);
    } else if (sample && current) {
      const allowed = (SUFFIXES[current.type] ?? [""]).map((suffix) => current!.name + suffix);
      if (!allowed.includes(sample[1]!)) throw new Error(`${sample[1]} is no sample of ${current.name}`);
      const labels = labelsOf(sample[2] ?? "");
      const key = `${sample[1]} ${JSON.stringify(Object.entries(labels).sort())}`;
      if (seen.has(key)) throw new Error(`sample given twice: ${key}`);
      seen.add(key);
      current.samples.push({ name: sample[1]!, labels, value: number(sample[3]!) });
    } else throw new Error(`not understood: ${line}`);
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function checkHistogram(family: Family): void {
  const series = new Map<string, Sample[]>();
  for (const sample of family.samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).sort());
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const samples of series.values()) {
    const buckets = samples.filter((s) => s.name.endsWith("_bucket"));
    const bounds = buckets.map((s) => number(s.labels.le!));
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${family.name} lacks its +Inf bucket`);
    for (let i = 1; i < buckets.length; i++) {
      if (bounds[i]! <= bounds[i - 1]!) throw new Error(`${family.name}: bounds do not grow`);
      if (buckets[i]!.value < buckets[i - 1]!.value) throw new Error(`${family.name}: buckets do not grow`);
    }
    const count = samples.find((s) => s.name.endsWith("_count"));
    if (count?.value !== buckets.at(-1)!.value) throw new Error(`${family.name}: count is not the +Inf bucket`);
  }
}
