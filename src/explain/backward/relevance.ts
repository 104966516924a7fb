import {
  broadcasts,
  type DividingLayer,
  isLinear,
  isWeighted,
  type LinearLayer,
  linearTransposed,
  weightedTransposed,
} from "../layers/linear.js";
import { frameNorm } from "../layers/per-frame.js";
import { LAYERS, type LayerIn, recordOf } from "../layers/registry.js";
import { type Scope, tensorValue } from "../layers/scope.js";
import type { Layer, TensorId } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import { type InputRule, type LinearRule, NEGLIGIBLE, TINY } from "../rules/rule.js";
import { agreeingMaximum, agreeingSum } from "./agreement.js";
import { InputBoundsPropagation } from "./input-bounds.js";
import { oppositions } from "./opposition.js";
import { maxCrossed, type PendingRelevance, RelevanceForms, vanishes } from "./pending-relevance.js";
import { cutsAtZero } from "./rectified.js";
import { noRelevance } from "./refusal.js";
import { madeOfPixels, readings } from "./structure.js";
import { type Method, type Sent, walkBack } from "./walk.js";

export interface RelevanceOptions {
  method: LinearRule;
  inputRule: InputRule;
  /** `R / s(z)` at the logits, `[N, classes]`. */
  start: Value;
  /** Values of the network's input for pixel 0 and 255, broadcastable against it. */
  bounds: InputBounds;
  /** The sum over the channels of axis 1 will do, dims `[N, 1, H, W]`, where the rule has a cheaper way to it. */
  summed?: boolean;
}

/** After so many linear layers without one, relevance is rescaled, so that float32 neither overflows nor underflows. */
const RESCALE_EVERY = 5;

/** Emits the relevance of the network's input by R-LRP, dims of that input or (`summed`) less, up to one positive factor per frame. */
export function emitRelevance(scope: Scope, options: RelevanceOptions): Value {
  const pass = new RelevancePass(scope, options);
  return pass.forms.signed(scope.network.input, walkBack(scope, pass, { form: "unsigned", value: options.start }))
    .value;
}

/** R-LRP: rules say what a linear layer divides by and what the picture gets, everything else crosses here. */
class RelevancePass implements Method<PendingRelevance> {
  readonly forms: RelevanceForms;
  #pixels: Set<TensorId>;
  #bounds: InputBoundsPropagation;
  #oppositions: ReadonlyMap<Layer, number>;
  readonly refusal = noRelevance;

  constructor(
    readonly scope: Scope,
    readonly options: RelevanceOptions,
  ) {
    this.forms = new RelevanceForms(scope);
    this.#pixels = madeOfPixels(scope.network);
    this.#bounds = new InputBoundsPropagation(scope, options.bounds);
    const { opposition } = options.method;
    this.#oppositions = opposition ? oppositions(scope.network, opposition) : new Map();
  }

  /** What norm a message should have no longer matters when nothing else is under way: the scale is free. */
  sum(at: TensorId, arrived: readonly PendingRelevance[], alone: boolean): PendingRelevance {
    const [first] = arrived as [PendingRelevance];
    if (arrived.length > 1) return this.forms.sum(at, arrived);
    return alone ? { ...first, norm: undefined } : first;
  }

  reindex(
    layer: Layer,
    parts: readonly (PendingRelevance | undefined)[],
    back: (parts: readonly (Value | undefined)[]) => Value[],
  ): PendingRelevance[] {
    const record = recordOf(layer);
    const keepsNorm = record.family === "reindexing" && record.permutes === true;
    const same = parts.map((part, k) => {
      const at = layer.outputs[k]!;
      const settled = part && !keepsNorm ? this.forms.settled(at, part) : part;
      // Only in one form can several become one.
      return settled && parts.length > 1 ? this.forms.oneToOne(at, settled) : settled;
    });
    const first = same.find((part) => part !== undefined)!;
    const known = {
      vanishes: same.every((part) => !part || vanishes(part)),
      positive: same.every((part) => !part || part.positive),
      size: undefined,
      crossed: maxCrossed(same),
    };
    return back(same.map((part) => part?.value)).map((value) => ({ ...first, ...known, value }));
  }

  cross(layer: Layer, message: PendingRelevance, alone: boolean): Sent<PendingRelevance> | undefined {
    const [output, input] = [layer.outputs[0]!, layer.inputs[0]!];
    const { scope, forms, options } = this;
    if (isLinear(layer)) return [[input, this.#linear(layer, forms.unsigned(output, message), alone)]];
    const record = recordOf(layer);
    switch (record.family) {
      case "one-to-one": {
        const passed = forms.oneToOne(output, message);
        const slope = passed.form === "unsigned" ? record.slope?.(scope, layer) : undefined;
        const value = slope ? scope.e.mul(passed.value, slope) : passed.value;
        // What a ReLU has cut off carries no relevance where its output of zero carries none.
        const positive = cutsAtZero(layer, 0) && vanishes(passed);
        const size = positive && isRelu(layer) ? tensorValue(scope, output) : undefined;
        return [[input, { ...passed, value, vanishes: positive, positive, size }]];
      }
      case "gate": {
        // A gate that is closed hides the sign of its signal: unsigned relevance there is that of a zero, which counts as positive.
        const passed = message.form === "unsigned" ? forms.signed(output, message) : forms.oneToOne(output, message);
        return [[input, { ...passed, positive: undefined, size: undefined }]];
      }
      case "bilinear":
        return this.#halves(layer as LayerIn<"bilinear">, forms.unsigned(output, message));
      case "signals": {
        const { value, crossed } = forms.signed(output, forms.settled(output, message));
        const half: PendingRelevance = { form: "signed", value: scope.e.mul(value, scope.e.number(0.5)), crossed };
        return layer.inputs.map((id) => [id, half]);
      }
      case "sum":
        return options.method.agreeing
          ? agreeingSum(forms, layer.inputs, output, message)
          : this.#share(layer.inputs, output, message);
      case "maximum": {
        const kept = record.tiles(scope, layer) ? message : forms.settled(output, message);
        if (options.method.agreeing) return [[input, agreeingMaximum(forms, layer, record, kept)]];
        const value = record.back(scope, layer, kept.value, "share");
        return [[input, { ...kept, value, vanishes: undefined, positive: undefined, size: undefined }]];
      }
      default:
        return undefined;
    }
  }

  #linear(layer: LinearLayer, message: PendingRelevance, alone: boolean): PendingRelevance {
    const { scope, options, forms } = this;
    const [output, input] = [layer.outputs[0]!, layer.inputs[0]!];
    const norm = alone ? undefined : (message.norm ?? forms.norm(output, message));
    const normCrossed = message.norm === undefined ? message.crossed : message.normCrossed;
    if (this.#pixels.has(input) && isWeighted(layer)) {
      const summed = options.summed && input === scope.network.input && readings(scope.network, input) === 1;
      const value = options.inputRule.emit(scope, layer, message.value, this.#bounds.at(input), summed);
      return { form: "signed", value, norm };
    }
    const { g, crossed } = this.#divided(layer, message);
    const opposition = this.#oppositions.get(layer) ?? 1;
    const value =
      opposition < 1 && isWeighted(layer)
        ? weightedTransposed(scope, layer, g, [(w) => (w < 0 ? opposition * w : w)])[0]!
        : linearTransposed(scope, layer, g);
    const below: PendingRelevance = { form: "per-unit", value, norm, crossed, normCrossed };
    // Multiplying what only broadcasts by its input gives it full dims.
    return broadcasts(layer) ? forms.unsigned(input, below) : below;
  }

  /** `R_j / d_j`, brought back to a known scale after so many layers without one. */
  #divided(layer: DividingLayer, message: PendingRelevance): { g: Value; crossed: number } {
    const { e } = this.scope;
    const output = layer.outputs[0]!;
    const denominator = this.options.method.denominator(this.scope, layer, {
      input: this.forms.magnitude(layer.inputs[0]!),
      output: message.size,
      vanishes: vanishes(message),
    });
    const g = denominator === undefined ? message.value : e.div(message.value, denominator);
    const crossed = (message.crossed ?? 0) + 1;
    if (crossed < RESCALE_EVERY) return { g, crossed };
    return { g: e.div(g, e.max(frameNorm(this.scope, output, g), e.number(TINY))), crossed: 0 };
  }

  /** A product of two signals is linear in each: half of the relevance goes by way of either. */
  #halves(layer: LayerIn<"bilinear">, message: PendingRelevance): Sent<PendingRelevance> {
    const { scope, forms } = this;
    const norm = scope.e.mul(message.norm ?? forms.norm(layer.outputs[0]!, message), scope.e.number(0.5));
    const normCrossed = message.norm === undefined ? message.crossed : message.normCrossed;
    const { g, crossed } = this.#divided(layer, message);
    const values = LAYERS[layer.kind].gradient(scope, layer, g);
    return layer.inputs.map((id, k) => [id, { form: "per-unit", value: values[k]!, norm, crossed, normCrossed }]);
  }

  /** `R_k = R · s(z) · u_k / Σ|u|`: the same `P / Σ|u|` per unit of each branch. */
  #share(branches: readonly TensorId[], output: TensorId, message: PendingRelevance): Sent<PendingRelevance> {
    const { scope, forms } = this;
    const { e } = scope;
    const p = forms.unsigned(output, forms.settled(output, message));
    const total = branches.map((id) => forms.magnitude(id)).reduce(e.add);
    const value = e.div(p.value, e.max(total, e.number(NEGLIGIBLE)));
    return branches.map((id) => [id, { form: "per-unit", value, crossed: p.crossed }]);
  }
}

/** Whether a layer is a ReLU and no clip that ends somewhere. */
const isRelu = (layer: Layer): boolean => layer.kind === "activation" && layer.steps[0]!.op === "Relu";
