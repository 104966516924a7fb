/**
 * The whole report by one command: `evaluate` with every default method and metric for each network, and its figures as the Markdown of
 * docs/evaluation.md, each network's behind the other's.
 *
 *   npm run build && node bench/evidence.mjs --images FOLDER [--images FOLDER] --output FOLDER [--limit N] [--methods a,b] [--seed 0] MODEL...
 *
 * OUTPUT/MODEL.json and .html are the reports. --reuse takes those that lie there already.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const { estimate, pairedDifference } = await import("../dist/evaluate/statistics.js");

const { values: args, positionals: models } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: "string", multiple: true },
    output: { type: "string" },
    limit: { type: "string" },
    methods: { type: "string" },
    seed: { type: "string" },
    threads: { type: "string" },
    reuse: { type: "boolean", default: false },
  },
});
const { images: folders, output } = args;
if (models.length === 0 || !folders || output === undefined) {
  console.error("give models, --images and --output; the head of this file says how");
  process.exit(2);
}
mkdirSync(output, { recursive: true });

const passed = /** @type {const} */ (["limit", "methods", "seed", "threads"]).flatMap((name) =>
  args[name] ? [`--${name}`, args[name]] : [],
);
const names = models.map((model) => path.basename(model.replace(/\/$/, "").replace(/\.onnx$/, "")));
const twice = names.find((name, k) => names.indexOf(name) !== k);
if (twice !== undefined) {
  console.error(`two of the models are called ${twice}; take them one by one, or give each a folder of another name`);
  process.exit(2);
}
const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
const begun = performance.now();
const reports = models.map((model, k) => {
  const [json, html] = ["json", "html"].map((kind) => path.join(output, `${names[k]}.${kind}`));
  if (!args.reuse || !existsSync(json)) {
    const from = performance.now();
    const images = folders.flatMap((folder) => ["--images", folder]);
    const words = [main, "evaluate", model, ...images, ...passed, "--json", json, "--html", html];
    execFileSync(process.execPath, words, { stdio: ["ignore", "ignore", "inherit"] });
    console.error(`${names[k]}: ${Math.round((performance.now() - from) / 1000)} s`);
  }
  return JSON.parse(readFileSync(json, "utf8"));
});
console.error(`all: ${Math.round((performance.now() - begun) / 1000)} s`);

const short = (value, digits = 2) =>
  value === null || value === undefined || Number.isNaN(value)
    ? "–"
    : value
        .toFixed(digits)
        .replace(/^(-?)0\./, "$1.")
        .replace("-", "−");
/** Numbers that JSON has as null are none. */
const valuesOf = (report, name, metric) =>
  (report.methods.find((method) => method.name === name)?.values[metric] ?? []).map((v) => v ?? Number.NaN);
const onRight = (report, values) =>
  values.filter((_, k) => report.cases[k].isGiven && report.cases[k].label === report.cases[k].decision);
const methods = reports[0].methods.map(({ name }) => name);
const metrics = reports[0].metrics;
const across = (cell) => reports.map(cell).join(" / ");
const table = (heads, rows) =>
  console.log(
    [
      `| ${heads.join(" | ")} |`,
      `|${"---|".repeat(heads.length)}`,
      ...rows.map((r) => `| ${r.join(" | ")} |`),
      "",
    ].join("\n"),
  );

console.log(
  `${names.join(" / ")}, ${across((r) => `${r.images.count} images (${r.images.decidedRight} decided right)`)}\n`,
);

const group = (wanted, of, note = "") => {
  const some = metrics.filter(({ name }) => wanted.includes(name));
  if (some.length === 0) return;
  const arrow = ({ better }) => (better === "higher" ? "↑" : "↓");
  const row = (method) => some.map(({ name }) => across((r) => short(estimate(of(r, valuesOf(r, method, name))).mean)));
  table(
    [note, ...some.map((m) => `${m.title} ${arrow(m)}`)],
    methods.map((m) => [`\`${m}\``, ...row(m)]),
  );
};
const all = (_, values) => values;
const PLACE = ["mass", "rank", "pointing"];
group(PLACE, all, "all images");
group(PLACE, onRight, "decided right");
group(["own", "insertion-blur", "insertion-mean", "deletion-blur", "deletion-mean"], all);
group(["random-weights", "noise", "jpeg", "top", "sparseness"], all);
table(
  ["cost, × forward", "", "ms"],
  methods.map((name) => {
    const costs = reports.map((r) => r.methods.find((method) => method.name === name)?.cost);
    return [
      `\`${name}\``,
      costs.map((c) => c?.timesForward.toFixed(1) ?? "–").join(" / "),
      costs.map((c) => c?.ms.toFixed(2) ?? "–").join(" / "),
    ];
  }),
);

const COMPOSITES = ["epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1-flat"];
for (const own of ["r-lrp-graded", "r-lrp-local"].filter((name) => methods.includes(name))) {
  const rows = metrics
    .filter(({ group }) => group !== "concentration")
    .map(({ name, title, better }) => {
      const sign = better === "higher" ? 1 : -1;
      const cell = (report) => {
        const rank = (/** @type {string} */ c) =>
          sign * (estimate(valuesOf(report, c, name)).mean ?? Number.NEGATIVE_INFINITY);
        const [best] = COMPOSITES.filter((c) => methods.includes(c)).sort((a, b) => rank(b) - rank(a));
        if (best === undefined) return "–";
        const { mean, standardError } = pairedDifference(valuesOf(report, own, name), valuesOf(report, best, name));
        if (mean === null) return "–";
        const word = Math.abs(mean) <= 2 * (standardError ?? 0) ? "" : sign * mean > 0 ? " ▲" : " ▼";
        return `${sign * mean < 0 ? "−" : "+"}${short(Math.abs(mean), 3)} ± ${short(standardError, 3)}${word}`;
      };
      return [title, ...reports.map(cell)];
    });
  table([`\`${own}\` beside the best composite, + is better`, ...names], rows);
}
