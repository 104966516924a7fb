import { ModelError } from "../../errors.js";
import { gatherBack } from "../layers/gather.js";
import { isLinear, isWeighted, type LinearLayer, linearTransposed } from "../layers/linear.js";
import { maxPoolBack, tiles } from "../layers/max-pool.js";
import * as moves from "../layers/moves.js";
import { type Scope, shapeOf, tensorValue } from "../layers/scope.js";
import type { Layer, Network, TensorId } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import { type InputRule, type LinearRule, NEGLIGIBLE, TINY } from "../rules/rule.js";
import { BoundsBelow } from "./bounds.js";

/**
 * Relevance of one tensor `t` on its way down, in the form that is cheapest at that place:
 * `per-unit` V with `R = t · V`, `unsigned` P with `R = s(t) · P`, or `signed` R itself (before the first linear layer).
 */
interface Message {
  form: "per-unit" | "unsigned" | "signed";
  value: Value;
  /**
   * ‖R‖₁ that the value should have, `[N, 1, …]`, while its own scale is arbitrary. Undefined: the value's scale counts.
   * Linear layers keep ‖R‖₁, so one rescaling at the end of a chain of them stands for one at each.
   */
  norm?: Value;
  /** Linear layers that the value has crossed since its scale was last known; default 0. */
  crossed?: number;
  /** The same of the norm: what is brought to it is as far from a known scale as it was. */
  normCrossed?: number;
}

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

/** The refusal of a layer that no method but the gradient knows a way across. */
export const noRule = ({ kind, name, operator }: Layer): ModelError =>
  new ModelError(
    "model-unsupported",
    `node "${name}" (operator ${operator}) cannot be explained: ${
      kind === "softmax"
        ? "a softmax is known at the end of a classifier and in gates, and this one is neither; export the network without it"
        : "no rule says how relevance crosses it"
    }`,
  );

/** After so many linear layers without one, relevance is rescaled, so that float32 neither overflows nor underflows. */
const RESCALE_EVERY = 5;

/**
 * Emits the relevance of the network's input, dims of that input or (`summed`) less, up to one positive factor per frame.
 * The single driver of every method: layers and rules only say what crosses them.
 */
export function emitRelevance(scope: Scope, options: RelevanceOptions): Value {
  return new Descent(scope, options).run();
}

class Descent {
  #pending = new Map<TensorId, Message[]>();
  #pixels: Set<TensorId>;
  #before: Set<TensorId>;
  #bounds: BoundsBelow;
  #nonNegative: Set<TensorId>;
  /** Outputs of ReLUs by what they alone read, where relevance is a multiple of them: |z| is their value wherever it counts. */
  #rectified = new Map<TensorId, Value>();

  constructor(
    readonly scope: Scope,
    readonly options: RelevanceOptions,
  ) {
    this.#pixels = madeOfPixels(scope);
    this.#before = beforeFirstLinear(scope);
    this.#nonNegative = nonNegative(scope);
    this.#bounds = new BoundsBelow(scope, options.bounds);
  }

  run(): Value {
    const { network } = this.scope;
    this.#send(network.output, { form: "unsigned", value: this.options.start });
    for (const layer of network.layers.toReversed()) this.#cross(layer);
    const [last] = this.#receive([network.input]);
    if (!last) throw new ModelError("model-unsupported", "no layer carries relevance from the scores to the picture");
    return this.#signed(network.input, last).value;
  }

  #send(to: TensorId, message: Message): void {
    const list = this.#pending.get(to);
    if (list) list.push(message);
    else this.#pending.set(to, [message]);
  }

  /**
   * Takes what arrived at a layer's outputs, added up at each. When nothing else is under way the scale is free, and
   * what norm a single message should have no longer matters.
   */
  #receive(outputs: readonly TensorId[]): (Message | undefined)[] {
    const lists = outputs.map((at) => this.#pending.get(at));
    for (const at of outputs) this.#pending.delete(at);
    const free = this.#pending.size === 0 && lists.filter((l) => l).length === 1;
    return lists.map((list, k) => list && this.#sum(outputs[k]!, list, free));
  }

  #sum(at: TensorId, list: readonly Message[], free: boolean): Message {
    const [first] = list as [Message];
    if (list.length === 1) return free ? { ...first, norm: undefined } : first;
    const settled = list.map((m) => this.#settle(at, m));
    const same = settled.every((m) => m.form === "per-unit") ? settled : settled.map((m) => this.#oneToOne(at, m));
    return {
      form: same[0]!.form,
      value: same.map((m) => m.value).reduce(this.scope.e.add),
      crossed: Math.max(...same.map((m) => m.crossed ?? 0)),
    };
  }

  #cross(layer: Layer): void {
    const parts = this.#receive(layer.outputs);
    const message = parts[0];
    if (layer.kind === "split") {
      if (parts.some((m) => m)) this.#crossSplit(layer, parts);
      return;
    }
    if (!message) return;
    const [output, input] = [layer.outputs[0]!, layer.inputs[0]!];
    const { scope } = this;
    if (isLinear(layer)) return this.#crossLinear(layer, this.#unsigned(output, message));
    switch (layer.kind) {
      case "activation":
        if (message.form === "per-unit" && isRelu(layer) && readers(scope.network, input) === 1)
          this.#rectified.set(input, tensorValue(scope, output));
        return this.#send(input, this.#oneToOne(output, message));
      case "lrn":
        return this.#send(input, this.#oneToOne(output, message));
      case "norm":
      case "scale": {
        const passed = this.#oneToOne(output, message);
        const slope = passed.form === "unsigned" ? moves.scaleSlope(scope, layer) : undefined;
        return this.#send(input, slope ? { ...passed, value: scope.e.mul(passed.value, slope) } : passed);
      }
      case "gate": {
        // A gate that is closed hides the sign of its signal: unsigned relevance there is that of a zero, which counts as positive.
        const passed = message.form === "unsigned" ? this.#signed(output, message) : this.#oneToOne(output, message);
        return this.#send(input, passed);
      }
      case "add":
        return this.#crossAdd(layer.inputs, output, message);
      case "maxPool": {
        const kept = tiles(scope, layer) ? message : this.#settle(output, message);
        return this.#send(input, { ...kept, value: maxPoolBack(scope, layer, kept.value) });
      }
      case "reshape":
        return this.#send(input, {
          ...message,
          value: moves.reshapeBack(scope, layer, message.value),
          norm: message.norm,
        });
      case "transpose":
        return this.#send(input, { ...message, value: moves.transposeBack(scope, layer, message.value) });
      case "pad": {
        const settled = this.#settle(output, message);
        return this.#send(input, { ...settled, value: moves.padBack(scope, layer, settled.value) });
      }
      case "slice": {
        const settled = this.#settle(output, message);
        return this.#send(input, { ...settled, value: moves.sliceBack(scope, layer, settled.value) });
      }
      case "gather": {
        const settled = this.#settle(output, message);
        return this.#send(input, { ...settled, value: gatherBack(scope, layer, settled.value) });
      }
      case "concat": {
        const settled = this.#settle(output, message);
        const back = moves.concatBack(scope, layer, settled.value);
        layer.inputs.forEach((id, k) => {
          this.#send(id, { ...settled, value: back[k]! });
        });
        return;
      }
      default:
        throw noRule(layer);
    }
  }

  #crossLinear(layer: LinearLayer, message: Message): void {
    const { scope, options } = this;
    const { e } = scope;
    const [output, input] = [layer.outputs[0]!, layer.inputs[0]!];
    const norm = this.#pending.size === 0 ? undefined : (message.norm ?? this.#norm(output, message));
    const normCrossed = message.norm === undefined ? message.crossed : message.normCrossed;
    if (this.#pixels.has(input) && isWeighted(layer)) {
      const summed = options.summed && input === scope.network.input && readers(scope.network, input) === 1;
      const value = options.inputRule.emit(scope, layer, message.value, this.#bounds.at(input), summed);
      return this.#send(input, { form: "signed", value, norm });
    }
    const denominator = options.method.denominator(scope, layer, this.#rectified.get(output));
    let g = denominator === undefined ? message.value : e.div(message.value, denominator);
    let crossed = (message.crossed ?? 0) + 1;
    if (crossed === RESCALE_EVERY) {
      g = this.#unit(output, g);
      crossed = 0;
    }
    const value = linearTransposed(scope, layer, g);
    const below: Message = { form: "per-unit", value, norm, crossed, normCrossed };
    // The transpose of a mean is broadcast: multiplying by its input gives it full dims.
    this.#send(input, layer.kind === "mean" ? this.#unsigned(input, below) : below);
  }

  /** `R_k = R · s(z) · u_k / Σ|u|`: the same `P / Σ|u|` per unit of each branch. */
  #crossAdd(branches: readonly TensorId[], output: TensorId, message: Message): void {
    const { scope } = this;
    const { e } = scope;
    const p = this.#unsigned(output, this.#settle(output, message));
    const total = branches.map((id) => this.#magnitude(id)).reduce(e.add);
    const value = e.div(p.value, e.max(total, e.number(NEGLIGIBLE)));
    for (const id of branches) this.#send(id, { form: "per-unit", value, crossed: p.crossed });
  }

  #crossSplit(layer: Extract<Layer, { kind: "split" }>, parts: (Message | undefined)[]): void {
    const same = parts.map((m, k) => m && this.#oneToOne(layer.outputs[k]!, this.#settle(layer.outputs[k]!, m)));
    const value = moves.splitBack(
      this.scope,
      layer,
      same.map((m) => m?.value),
    );
    const crossed = Math.max(...same.map((m) => m?.crossed ?? 0));
    this.#send(layer.inputs[0]!, { form: same.find((m) => m)!.form, value, crossed });
  }

  /** One-to-one layers pass the amount: unsigned above the first linear layer, signed before it. */
  #oneToOne(at: TensorId, message: Message): Message {
    return this.#before.has(at) ? this.#signed(at, message) : this.#unsigned(at, message);
  }

  #unsigned(at: TensorId, message: Message): Message {
    if (message.form === "unsigned") return message;
    const { e } = this.scope;
    const value =
      message.form === "per-unit"
        ? e.mul(message.value, this.#magnitude(at))
        : e.mul(message.value, e.sign(tensorValue(this.scope, at)));
    return { ...message, form: "unsigned", value };
  }

  #signed(at: TensorId, message: Message): Message {
    if (message.form === "signed") return message;
    const { e } = this.scope;
    const t = tensorValue(this.scope, at);
    const value = e.mul(message.value, message.form === "per-unit" ? t : e.sign(t));
    return { ...message, form: "signed", value };
  }

  #magnitude(at: TensorId): Value {
    const t = tensorValue(this.scope, at);
    return this.#nonNegative.has(at) ? t : this.scope.e.abs(t);
  }

  #axes(at: TensorId): number[] {
    return shapeOf(this.scope, at)
      .map((_, k) => k)
      .slice(1);
  }

  #norm(at: TensorId, message: Message): Value {
    const p = message.form === "per-unit" ? this.#unsigned(at, message) : message;
    return this.#l1(at, p.value);
  }

  /** ReduceL1 means the same and is several times slower in engines. */
  #l1(at: TensorId, value: Value): Value {
    const { e } = this.scope;
    return e.reduce("ReduceSum", e.abs(value), this.#axes(at));
  }

  /** Brings the value to the norm that it should have. */
  #settle(at: TensorId, message: Message): Message {
    if (message.norm === undefined) return message;
    const { e } = this.scope;
    const p = message.form === "per-unit" ? this.#unsigned(at, message) : message;
    const factor = e.div(this.#scalar(message.norm, at), e.max(this.#norm(at, p), e.number(TINY)));
    // Where nothing is left to scale the factor must stay finite: 0 · ∞ is no number.
    return { form: p.form, value: e.mul(p.value, e.op("Min", [factor, e.number(3e38)])), crossed: message.normCrossed };
  }

  /** A per-frame scalar with as many axes as a tensor. */
  #scalar(value: Value, at: TensorId): Value {
    return this.scope.e.reshape(value, [-1, ...this.#axes(at).map(() => 1)]);
  }

  #unit(at: TensorId, value: Value): Value {
    const { e } = this.scope;
    return e.div(value, e.max(this.#l1(at, value), e.number(TINY)));
  }
}

const isRelu = (layer: Extract<Layer, { kind: "activation" }>): boolean =>
  layer.steps.length === 1 && layer.steps[0]!.op === "Relu";

/** Layers that read a tensor, each counted once a reading; being the scores counts as well. */
const readers = ({ layers, output }: Network, id: TensorId): number =>
  layers.reduce((sum, layer) => sum + layer.inputs.filter((i) => i === id).length, id === output ? 1 : 0);

const PASSES_PIXELS = new Set<Layer["kind"]>([
  "activation",
  "scale",
  "norm",
  "lrn",
  "gather",
  "reshape",
  "transpose",
  "pad",
  "slice",
  "split",
  "concat",
]);

/** Tensors with only one-to-one, reshaping or padding layers between them and the picture: what reads them has an input rule. */
const madeOfPixels = (scope: Scope): Set<TensorId> => reached(scope.network, (layer) => PASSES_PIXELS.has(layer.kind));

/** Weighted layers that read the picture and so take the input rule. */
export function pictureReaders(network: Network): Set<Layer> {
  const pixels = reached(network, (layer) => PASSES_PIXELS.has(layer.kind));
  return new Set(network.layers.filter((layer) => isWeighted(layer) && pixels.has(layer.inputs[0]!)));
}

/** Tensors with no linear layer between them and the picture: relevance keeps its sign there. */
const beforeFirstLinear = (scope: Scope): Set<TensorId> => reached(scope.network, (layer) => !isLinear(layer));

function reached(network: Network, crosses: (layer: Layer) => boolean): Set<TensorId> {
  const found = new Set<TensorId>([network.input]);
  for (const layer of network.layers)
    if (crosses(layer) && layer.inputs.every((id) => found.has(id))) for (const id of layer.outputs) found.add(id);
  return found;
}

const KEEPS_SIGN = new Set<Layer["kind"]>([
  "maxPool",
  "averagePool",
  "mean",
  "resize",
  "gather",
  "reshape",
  "transpose",
  "slice",
  "split",
  "concat",
  "add",
]);

/** Tensors that cannot be negative, so that |t| is t. */
export function nonNegative({ network }: Scope): Set<TensorId> {
  const known = new Set<TensorId>();
  for (const layer of network.layers) {
    const last = layer.kind === "activation" ? layer.steps.at(-1)! : undefined;
    const clipped =
      last &&
      (last.op === "Relu" ||
        last.op === "Sigmoid" ||
        last.op === "HardSigmoid" ||
        (last.op === "Clip" && (last.attributes.min ?? -1) >= 0));
    const folded =
      (layer.kind === "averagePool" || layer.kind === "mean" || layer.kind === "resize") && layer.factor !== undefined;
    if (clipped || (KEEPS_SIGN.has(layer.kind) && !folded && layer.inputs.every((id) => known.has(id))))
      for (const id of layer.outputs) known.add(id);
  }
  return known;
}
