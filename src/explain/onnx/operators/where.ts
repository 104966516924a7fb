import { elements, type Weights } from "../../network/network.js";
import { broadcast, broadcastDims } from "../arrays.js";
import type { Importer, Node, OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import type { View } from "../view.js";
import { together, withConstant } from "./broadcast.js";
import { expandTo } from "./gather.js";

/** Elements of one tensor where a constant says so, elsewhere of another or of constants. */
export const Where: OperatorImport = (importer: Importer, node: Node) => {
  const condition = importer.constant(node, 0);
  if (!condition)
    importer.refuse(node, "which elements it takes depends on the picture, and relevance follows one way");
  const [yes, no] = [importer.constant(node, 1), importer.constant(node, 2)];
  if (yes?.data.length === 1 && isNever(condition) && importer.isTensor(node, 2)) {
    const { id, place } = importer.view(node, 2);
    return importer.alias(node, id, place);
  }
  if (yes) return selectConstant(importer, node, importer.view(node, 2), condition, yes, false);
  if (no) return selectConstant(importer, node, importer.view(node, 1), condition, no, true);
  const views = [importer.view(node, 1), importer.view(node, 2)];
  const { ids, dims, place } = together(importer, node, views);
  const first = importer.viewOf(ids[0]!, place);
  const { view, constant } = withConstant(importer, node, first, condition);
  if (view.dims.length !== first.dims.length) importer.refuse(node, "its condition has more axes than what it selects");
  const whole = [-1, ...wide(dims.slice(1), constant)];
  importer.budget.take(importer, node, constant.data.length);
  const full = ids.map((id) => expandTo(importer, node, id, whole, place));
  importer.push(node, "select", full, [whole], { mask: asMask(constant, true) }, place);
};

const isNever = ({ dims, data }: Constant): boolean => dims.length === 0 && data[0] === 0;

/** Asked of a softmax before rows without a score are filled: there is none, as those are refused. */
export const IsNaN: OperatorImport = (importer: Importer, node: Node) => {
  const { id } = importer.view(node, 0);
  const maker = importer.layers.find((layer) => layer.outputs.includes(id));
  if (maker?.kind !== "softmax")
    importer.refuse(node, "it asks which numbers are none, and only of a softmax is that known");
  importer.setConstant(node, { dims: [], data: Float64Array.of(0), integer: true });
};

function selectConstant(
  importer: Importer,
  node: Node,
  given: View,
  condition: Constant,
  constant: Constant,
  takes: boolean,
): void {
  const longest = constant.dims.length > condition.dims.length ? constant : condition;
  const { view } = withConstant(importer, node, given, longest);
  importer.budget.take(importer, node, condition.data.length);
  const mask = asMask(withConstant(importer, node, view, condition).constant, takes);
  const value = withConstant(importer, node, view, constant).constant;
  const dims = [-1, ...wide(wide(importer.shape(view.id).slice(1), mask), value)];
  const full = expandTo(importer, node, view.id, dims, view.place);
  importer.budget.take(importer, node, elements(wide(mask.dims, value)));
  const other = broadcast(asConstant(value), asConstant(mask), (v, m) => (m ? 0 : v))!;
  const fields = { mask, other: { dims: other.dims, data: other.data as Float32Array } };
  importer.push(node, "select", [full], [dims], fields, view.place);
}

const asConstant = ({ dims, data }: Weights): Constant => ({ dims: [...dims], data, integer: false });

/** The dims of a tensor of one frame, as long as a constant that meets it. */
const wide = (dims: readonly number[], { dims: other }: Weights): number[] => broadcastDims(dims, other) ?? [...dims];

const asMask = ({ dims, data }: Weights, takes: boolean): Weights => ({
  dims,
  data: data.map((v) => ((v !== 0) === takes ? 1 : 0)),
});
