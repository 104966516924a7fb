import { intOf, textOf } from "../proto/node-attributes.js";
import type { GraphProto, ModelMessage, NodeProto, TensorProto, ValueInfo } from "../proto/onnx.js";
import { AttributeType, decodeModel, ModelProto } from "../proto/onnx.js";
import { type Dims, ELEMENTWISE, FrameDims, joinedDims, REDUCTIONS, splitDims } from "./frame-dims.js";
import { fuseSums } from "./fuse-sums.js";
import { scheduleMeans } from "./schedule-means.js";

/** Operator set of onnxruntime's blocked layout: `[N, C/b, H, W, b]` stored under dims `[N, C, H, W]`. */
const NCHWC = "com.microsoft.nchwc";
/** Channel counts of which both block sizes, 8 and 16, are a divisor: such tensors have no padding channels. */
const WHOLE_BLOCKS = 16;

/** Channels in a block of the first convolution that onnxruntime put into its blocked layout; undefined where it put none. */
export function blockOf(file: Uint8Array): number | undefined {
  const { graph } = decodeModel(file);
  const conv = graph!.node?.find((node) => node.domain === NCHWC && node.opType === "Conv");
  const filter = graph!.initializer?.find((tensor) => tensor.name === conv?.input?.[1]);
  // Filters are filled up to whole blocks.
  return filter && filter.dims![0]!;
}

const POOLS = new Set(["AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"]);

/** Dims that make four axes of five again, whatever their sizes. */
const FOLDED = "0,-1,0,0";

/**
 * Keeps a graph that onnxruntime has optimised in its blocked layout. Its own pass returns to the plain layout before
 * each operator that it has no blocked kernel for; most of those treat every element alike, and need none.
 * @param file a model saved by onnxruntime after its layout pass; returned unchanged in meaning
 * @param block channels in a block here
 */
export function keepBlocked(file: Uint8Array, block: number): Uint8Array {
  const message = decodeModel(file);
  const graph = message.graph!;
  const pass = new Pass(message, block);
  for (const node of graph.node ?? []) pass.visit(node);
  for (const output of graph.output ?? []) pass.plain(output.name);
  const outputs = new Set((graph.output ?? []).map(({ name }) => name));
  const nodes = fuseSums(pass.nodes, outputs, (name) => pass.dimsOf(name));
  graph.node = [...nodes, ...scheduleMeans(nodes)];
  // Where onnxruntime knows dims, it plans memory ahead and compares every value with every free piece: seconds in a graph
  // of thousands of operations. Where it does not, it takes memory as it runs.
  for (const { type } of graph.input ?? []) if (type?.tensorType) type.tensorType.shape = undefined;
  graph.initializer = [...(graph.initializer ?? []), ...pass.shapes];
  graph.input = [...(graph.input ?? []), ...targets(graph)];
  return ModelProto.encode(message as object).finish();
}

/**
 * The constants that say what a Reshape makes, as inputs that have a default. As constants they would tell dims again, all
 * but the batch: such values are compared with every free piece too, and fit none.
 */
function targets({ node = [], initializer = [] }: GraphProto): ValueInfo[] {
  const constants = new Map(initializer.map(({ name, dataType }) => [name, dataType]));
  const names = new Set(node.flatMap((n) => (n.opType === "Reshape" ? [n.input![1]!] : [])));
  return [...names].flatMap((name) =>
    constants.has(name) ? [{ name, type: { tensorType: { elemType: constants.get(name)! } } }] : [],
  );
}

class Pass {
  readonly nodes: NodeProto[] = [];
  /** Constants that the new nodes read. */
  readonly shapes: TensorProto[] = [];
  /** The blocked twin of a plain value. */
  #blocked = new Map<string, string>();
  /** Plain values that some node of the new graph makes. */
  #made = new Set<string>();
  /** What a value is called now. */
  #alias = new Map<string, string>();
  #dims: FrameDims;
  /** Blocked values whose blocks onnxruntime made an axis of their own, and the constant with their dims then. */
  #unfolded = new Map<string, { folded: string; dims: string }>();

  readonly #block: number;

  constructor({ graph }: ModelMessage, block: number) {
    this.#block = block;
    for (const { name } of [...(graph!.initializer ?? []), ...(graph!.input ?? [])]) this.#made.add(name!);
    this.#dims = new FrameDims(graph!);
  }

  /** Dims of a frame of a value, blocked or not. */
  dimsOf(name: string): Dims {
    return this.#dims.isSingle(name) ? undefined : this.#dims.get(name);
  }

  visit(original: NodeProto): void {
    const node: NodeProto = { ...original, input: (original.input ?? []).map((name) => this.#alias.get(name) ?? name) };
    const [x] = node.input as [string];
    const [y] = node.output as [string];
    if (node.domain === NCHWC && node.opType === "ReorderOutput") return this.#reorderOutput(node, x, y);
    if (node.domain === NCHWC && node.opType === "ReorderInput" && !channelsLast(node)) {
      const twin = this.#blocked.get(x);
      if (twin !== undefined) {
        this.#alias.set(y, twin);
        return;
      }
    }
    if (!node.domain && (this.#visitUnfolded(node) || this.#visitBlocked(node))) return;
    for (const name of node.input!) {
      this.plain(name);
      this.#unfold(name);
    }
    this.#push(node);
    this.#dims.infer(node);
  }

  /** Makes sure that a value exists in the plain layout. */
  plain(name: string): void {
    if (name === "" || this.#made.has(name)) return;
    const twin = this.#blocked.get(name);
    if (twin === undefined) return;
    this.nodes.push({
      opType: "ReorderOutput",
      domain: NCHWC,
      name: `plain_${name}`,
      input: [twin],
      output: [name],
      attribute: [{ name: "channels", type: AttributeType.int, i: this.#dims.get(name)![0]! }],
    });
    this.#made.add(name);
  }

  /** Makes sure that a value of whole blocks exists in the blocked layout: what is added to it mostly does. */
  #toBlocked(name: string): void {
    if (this.#blocked.has(name)) return;
    const twin = `${name}_blocked`;
    this.nodes.push({ opType: "ReorderInput", domain: NCHWC, name: twin, input: [name], output: [twin] });
    this.#blocked.set(name, twin);
    this.#dims.set(twin, this.#dims.get(name));
  }

  #push(node: NodeProto): void {
    this.nodes.push(node);
    for (const name of node.output ?? []) this.#made.add(name);
  }

  #reorderOutput(node: NodeProto, x: string, y: string): void {
    const channels = intOf(node, "channels", 0);
    const dims = this.#dims.get(x);
    if (dims && channels % WHOLE_BLOCKS === 0 && !channelsLast(node)) {
      this.#blocked.set(y, x);
      this.#dims.set(y, [channels, ...dims.slice(1)]);
      return;
    }
    this.#push(node);
    this.#dims.set(y, dims && !channelsLast(node) ? [channels, ...dims.slice(1)] : undefined);
  }

  /** Whether the node was put into the new graph on blocked values. */
  #visitBlocked(node: NodeProto): boolean {
    const { opType } = node;
    const inputs = node.input!;
    const twins = inputs.filter((name) => this.#blocked.has(name));
    if (twins.length === 0) return false;
    const dims = this.#dims.get(twins[0]!) as [number, number, number];
    if (REDUCTIONS.has(opType)) {
      const axes = this.#dims.numbers(inputs[1]!);
      if (axes?.join() !== "1,2,3" || intOf(node, "keepdims", 1) !== 1) return false;
      this.#push({ ...node, input: [this.#blocked.get(inputs[0]!)!, ...inputs.slice(1)] });
      this.#dims.infer(node);
      return true;
    }
    if (opType === "Split") return this.#split(node, dims);
    if (opType === "Concat") return this.#concat(node);
    if (opType === "Resize") return this.#resize(node, dims);
    if (opType === "DepthToSpace") return this.#interleave(node, dims);
    if (opType === "Slice") return this.#slice(node, dims);
    if (POOLS.has(opType) && node.output!.length === 1) return this.#pool(node);
    if (!ELEMENTWISE.has(opType)) return false;
    const fits = (name: string): boolean =>
      name === "" || this.#dims.isSingle(name) || this.#dims.get(name)?.join() === dims.join();
    if (!inputs.every(fits)) return false;
    for (const name of inputs) if (name !== "" && !this.#dims.isSingle(name)) this.#toBlocked(name);
    this.#pushBlocked(node, [dims]);
    return true;
  }

  /**
   * Where onnxruntime could not tell that two blocked values have the same dims, it made `[N, C/b, H, W, b]` of both, in
   * case one is to be repeated, and went back behind the operation: the dims would be lost to what follows.
   */
  #visitUnfolded(node: NodeProto): boolean {
    const inputs = node.input!;
    const [x, target] = inputs as [string, string | undefined];
    const [y] = node.output as [string];
    const shape = node.opType === "Reshape" ? this.#dims.numbers(target!) : undefined;
    const known = this.#unfolded.get(x);
    if (shape?.length === 5 && shape.slice(0, 4).join() === FOLDED && this.#dims.get(x)) {
      this.plain(x);
      this.#unfolded.set(y, { folded: x, dims: target! });
      return true;
    }
    if (shape?.join() === FOLDED && known) {
      this.#alias.set(y, known.folded);
      return true;
    }
    if (!ELEMENTWISE.has(node.opType) || !known) return false;
    const dims = this.#dims.get(known.folded);
    const folded = inputs.map((name) => this.#unfolded.get(name)?.folded);
    if (!dims || !folded.every((name) => name !== undefined && this.#dims.get(name)?.join() === dims.join()))
      return false;
    const name = `${y}_folded`;
    this.#push({ ...node, input: folded as string[], output: [name] });
    this.#dims.set(name, dims);
    this.#unfolded.set(y, { folded: name, dims: known.dims });
    return true;
  }

  /** Makes sure that a value with an axis for its blocks exists. */
  #unfold(name: string): void {
    const known = this.#unfolded.get(name);
    if (known === undefined || this.#made.has(name)) return;
    this.nodes.push({ opType: "Reshape", name: `unfold_${name}`, input: [known.folded, known.dims], output: [name] });
    this.#made.add(name);
  }

  #pushBlocked(node: NodeProto, dims: readonly Dims[]): void {
    for (const name of node.input!) if (!this.#blocked.has(name)) this.plain(name);
    const outputs = node.output!.map((name) => `${name}_blocked`);
    this.nodes.push({ ...node, input: node.input!.map((name) => this.#blocked.get(name) ?? name), output: outputs });
    node.output!.forEach((name, k) => {
      this.#blocked.set(name, outputs[k]!);
      this.#dims.set(name, dims[k]);
      this.#dims.set(outputs[k]!, dims[k]);
    });
  }

  #split(node: NodeProto, dims: readonly number[]): boolean {
    const sizes = this.#dims.numbers(node.input![1] ?? "");
    if (intOf(node, "axis", 0) !== 1 || !sizes || sizes.some((s) => s % WHOLE_BLOCKS !== 0)) return false;
    this.#pushBlocked(node, splitDims(dims, sizes));
    return true;
  }

  #concat(node: NodeProto): boolean {
    if (intOf(node, "axis", 0) !== 1 || !node.input!.every((name) => this.#blocked.has(name))) return false;
    const parts = node.input!.map((name) => this.#dims.get(name)!);
    this.#pushBlocked(node, [joinedDims(parts)]);
    return true;
  }

  #pool(node: NodeProto): boolean {
    const twin = this.#blocked.get(node.input![0]!)!;
    const [y] = node.output as [string];
    const blocked = { ...node, domain: NCHWC, input: [twin], output: [`${y}_blocked`] };
    this.nodes.push(blocked);
    this.#dims.infer(blocked);
    const dims = this.#dims.get(`${y}_blocked`);
    // Without dims nothing after it could be blocked, and how to come back would not be known.
    if (!dims) {
      this.nodes.pop();
      return false;
    }
    this.#blocked.set(y, `${y}_blocked`);
    this.#dims.set(y, dims);
    return true;
  }

  /** Repeats each pixel a whole number of times along height and width. */
  #resize(node: NodeProto, dims: readonly number[]): boolean {
    const scales = this.#dims.numbers(node.input![2] ?? "");
    if (scales?.length !== 4 || scales.some((s) => !Number.isInteger(s)) || scales[0] !== 1 || scales[1] !== 1)
      return false;
    const repeats =
      textOf(node, "mode") === "nearest" &&
      textOf(node, "coordinate_transformation_mode") === "asymmetric" &&
      textOf(node, "nearest_mode") === "floor";
    if (!repeats) return false;
    const upsample: NodeProto = {
      opType: "Upsample",
      domain: NCHWC,
      name: node.name,
      input: [node.input![0]!],
      output: node.output,
      attribute: [
        { name: "scales", type: AttributeType.ints, ints: [...scales] },
        { name: "mode", type: AttributeType.string, s: new TextEncoder().encode("nearest") },
      ],
    };
    this.#pushBlocked(upsample, [[dims[0]!, dims[1]! * scales[2]!, dims[2]! * scales[3]!]]);
    return true;
  }

  /** A block of channels for each place of a square becomes pixels: whole vectors move. */
  #interleave(node: NodeProto, [channels, height, width]: readonly [number, number, number]): boolean {
    const size = intOf(node, "blocksize", 1);
    const left = channels / size ** 2;
    if (left % WHOLE_BLOCKS !== 0 || height < 0 || width < 0 || textOf(node, "mode") === "CRD") return false;
    const places = [0, size, size, left / this.#block, height, width, this.#block];
    this.#moved(node, places, [left, height * size, width * size], {
      opType: "Transpose",
      attribute: [{ name: "perm", type: AttributeType.ints, ints: [0, 3, 4, 1, 5, 2, 6] }],
    });
    return true;
  }

  /** Rows and columns cut off. */
  #slice(node: NodeProto, [channels, height, width]: readonly [number, number, number]): boolean {
    const [, starts, ends, axes, steps] = node.input!.map((name) => this.#dims.numbers(name));
    if (node.input![4] && !steps) return false;
    if (!starts || !ends || !axes || axes.some((axis) => axis < 2) || steps?.some((step) => step !== 1)) return false;
    if ([...starts, ...ends, height, width].some((v) => v < 0)) return false;
    this.#dims.inferMoved(node, [channels, height, width]);
    const left = this.#dims.get(node.output![0]!)!;
    const physical = [0, channels / this.#block, height, width, this.#block];
    this.#moved(node, physical, left, { opType: "Slice", input: node.input!.slice(1) });
    return true;
  }

  /** Puts `operation` on the blocked value as it lies in memory, with dims `physical`; `dims` are what is left of it. */
  #moved(
    node: NodeProto,
    physical: readonly number[],
    dims: readonly number[],
    operation: Pick<NodeProto, "opType" | "attribute" | "input">,
  ): void {
    const [y] = node.output as [string];
    const twin = this.#blocked.get(node.input![0]!)!;
    const [apart, done, blocked] = [`${y}_apart`, `${y}_done`, `${y}_blocked`] as const;
    const { input = [], ...rest } = operation;
    this.nodes.push(
      { opType: "Reshape", name: apart, input: [twin, this.#shape(physical)], output: [apart] },
      { ...rest, name: done, input: [apart, ...input], output: [done] },
      { opType: "Reshape", name: blocked, input: [done, this.#shape([0, ...dims])], output: [blocked] },
    );
    this.#blocked.set(y, blocked);
    this.#dims.set(y, dims);
    this.#dims.set(blocked, dims);
  }

  /** A constant of dims; 0 stands for the batch. */
  #shape(values: readonly number[]): string {
    const name = `shape_${values.join("_")}`;
    if (!this.shapes.some((s) => s.name === name))
      this.shapes.push({
        name,
        dims: [values.length],
        dataType: 7,
        rawData: new Uint8Array(BigInt64Array.from(values, (v) => BigInt(v)).buffer),
      });
    return name;
  }
}

const channelsLast = (node: NodeProto): boolean => intOf(node, "channels_last", 0) !== 0;
