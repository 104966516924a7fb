import type { Command } from "commander";
import { pictureReaders } from "../explain/backward/structure.js";
import type { Family } from "../explain/layers/layer.js";
import { isLinear, isWeighted } from "../explain/layers/linear.js";
import { recordOf } from "../explain/layers/registry.js";
import { describeView } from "../explain/model/describe.js";
import { type LoadedModel, loadModel } from "../explain/model/load.js";
import { costOf } from "../explain/network/cost.js";
import type { Layer } from "../explain/network/network.js";
import { completed, DEFAULT_METHOD, type MethodOptions } from "../explain/options.js";
import { requireExplainableTensor } from "../explain/programs/explainable.js";
import { compositeNamed } from "../explain/rules/classical/composites.js";
import { methodNamed } from "../explain/rules/registry.js";
import { viewOf } from "../fit.js";
import { inputRuleOption, ModelCommand, methodOption, modelOutputOption } from "./arguments.js";
import { type CardOptions, givenCard } from "./card-options.js";
import { sayModelNotes } from "./model-notes.js";
import { alignedRows } from "./table.js";

interface InspectOptions extends CardOptions {
  modelOutput?: string;
  method: MethodOptions["method"];
  inputRule?: MethodOptions["inputRule"];
  json?: boolean;
}

interface Row {
  name: string;
  kind: Layer["kind"];
  operator: string;
  input: number[][];
  output: number[][];
  parameters: number;
  multiplyAdds: number;
  rule: string;
}

type LinearFamily = "weighted" | "averaging" | "mixing";

/** What happens to relevance at layers that no method has a rule of its own for. */
const RULES: Record<Exclude<Family, LinearFamily>, string> = {
  "one-to-one": "passes",
  reindexing: "moved back",
  maximum: "to the winner",
  sum: "by |share|",
  gate: "to the signal",
  bilinear: "half to each factor",
  signals: "half to each factor",
  opaque: "none (gate)",
};

/** The same of methods that share among what pulls the same way. */
const AGREEING: typeof RULES = { ...RULES, maximum: "by squares", sum: "by agreeing share" };

/** Rule of each layer under a method. */
function ruleOf(layer: Layer, readsPicture: boolean, options: InspectOptions): string {
  const { method, inputRule } = completed({ ...options, target: "top" });
  if (method === "gradient-x-input") return "gradient";
  const { family } = recordOf(layer);
  const unweighted = family as Exclude<Family, LinearFamily>;
  const composite = compositeNamed(method);
  if (composite) {
    if (isWeighted(layer)) return ((readsPicture && composite.first?.[layer.kind]) || composite[layer.kind]).name;
    const shared = isLinear(layer) || family === "sum";
    return shared ? "by share" : RULES[unweighted];
  }
  if (readsPicture) return inputRule;
  if (isLinear(layer)) return method;
  return (methodNamed(method).agreeing ? AGREEING : RULES)[unweighted];
}

function rows(model: LoadedModel, options: InspectOptions): Row[] {
  const { network } = model;
  const first = pictureReaders(network);
  const shapes = (ids: readonly number[]) => ids.map((id) => network.shapes.get(id)!.slice(1));
  return network.layers.map((layer) => ({
    name: layer.name,
    kind: layer.kind,
    operator: layer.operator,
    input: shapes(layer.inputs),
    output: shapes(layer.outputs),
    ...costOf(network, layer),
    rule: ruleOf(layer, first.has(layer), options),
  }));
}

/** A shape as people write it, with how often it occurs. */
function dims(shapes: readonly number[][]): string {
  const texts = shapes.map((s) => s.join("x"));
  const distinct = [...new Set(texts)];
  return distinct.length === 1 && texts.length > 1 ? `${texts.length} of ${texts[0]}` : texts.join(" + ");
}

const count = (value: number): string => (value === 0 ? "" : value.toLocaleString("en"));
/** Names of nodes can be paths; their ends tell them apart. */
const pathEnd = (text: string): string => (text.length > 40 ? `…${text.slice(-39)}` : text);

function inspect(given: string, options: InspectOptions): void {
  const model = loadModel(given, { output: options.modelOutput, given: givenCard(options) });
  requireExplainableTensor(model, { ...DEFAULT_METHOD, method: options.method, inputRule: options.inputRule });
  sayModelNotes(model);
  const layers = rows(model, options);
  const total = {
    layers: layers.length,
    parameters: layers.reduce((sum, r) => sum + r.parameters, 0),
    multiplyAdds: layers.reduce((sum, r) => sum + r.multiplyAdds, 0),
  };
  const input = model.network.shapes.get(model.network.input)!.slice(1);
  const { name, sha256 } = model.info;
  if (options.json) {
    const report = {
      model: { name, sha256, input, classes: model.classes, final: model.network.final },
      pictures: model.preprocessing ? { ...viewOf(model.info), ...model.preprocessing } : null,
      inferred: model.inferred,
      method: options.method,
      inputRule: completed({ ...options, target: "top" }).inputRule,
      layers,
      total,
    };
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    return;
  }
  const { inferred, preprocessing, unfit, info } = model;
  const from = [...new Set(Object.values(inferred.input))].join(", ");
  const read = [
    `pictures: ${preprocessing ? `${describeView(info, preprocessing)} (${from || "by default"})` : unfit}`,
    `labels: ${inferred.labels ?? "none; classes bear their numbers"}`,
  ];
  const lines = alignedRows(
    [
      ["layer", "kind", "input", "output", "parameters", "multiply-adds", "rule"],
      ...layers.map((r) => [
        pathEnd(r.name),
        r.kind,
        dims(r.input),
        dims(r.output),
        count(r.parameters),
        count(r.multiplyAdds),
        r.rule,
      ]),
      ["total", `${total.layers} layers`, "", "", count(total.parameters), count(total.multiplyAdds), ""],
    ],
    (column) => column === 4 || column === 5,
  );
  process.stdout.write(
    `${name}: input ${input.join("x")}, ${model.classes} classes, ${model.network.final === "none" ? "logits" : model.network.final} at the end\n${read.join("\n")}\n${lines.join("\n")}\n`,
  );
}

/** `video-explainer inspect` */
export const inspectCommand = (): Command =>
  new ModelCommand("inspect")
    .description("show the network as it is explained, layer by layer: shapes, parameters, multiply-adds, rule")
    .argument("<model>", "model file, or folder with the model")
    .addOption(modelOutputOption())
    .addOption(methodOption())
    .addOption(inputRuleOption())
    .cardOptions()
    .option("--json", "print one JSON object instead of the table")
    .addHelpText(
      "after",
      `
Batch norms are folded and a final softmax or sigmoid is stripped, as for explaining. A model that cannot be explained ends
with the node, the operator and the reason, and exit code 2.

Example:
  $ video-explainer inspect models/efficientnet-lite0`,
    )
    .action(inspect);
