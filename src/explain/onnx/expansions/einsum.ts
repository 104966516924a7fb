import type { Expansion, Writer } from "./writer.js";

/** A sum of products over named axes, as transpositions, reshapes and one product. */
export const Einsum: Expansion = (w) => {
  const { node, importer } = w;
  const equation = node.text("equation", "").replaceAll(" ", "");
  const [from, to = ""] = equation.split("->") as [string, string | undefined];
  const terms = from.split(",");
  const known =
    /^[a-zA-Z]+(,[a-zA-Z]+)?->[a-zA-Z]*$/.test(equation) && terms.every((t) => new Set(t).size === t.length);
  if (!known || node.inputs.length !== terms.length)
    importer.refuse(node, `its equation "${equation}" is not one of one or two tensors whose axes are all named once`);
  const sizes = new Map<string, number>();
  terms.forEach((term, k) => {
    const dims = w.dims(k);
    if (dims.length !== term.length) importer.refuse(node, `its equation "${equation}" does not fit its inputs`);
    [...term].forEach((letter, axis) => {
      if ((sizes.get(letter) ?? 1) === 1) sizes.set(letter, dims[axis]!);
    });
  });
  const operands = terms.map((term, k) => {
    const others = terms.filter((_, n) => n !== k).join("");
    return summed(w, w.needed(k), term, (letter) => others.includes(letter) || to.includes(letter));
  });
  const [a, b] = operands as [Operand, Operand | undefined];
  const made = b ? product(w, a, b, to, sizes) : a;
  reordered(w, made, to, node.outputs[0]);
};

interface Operand {
  name: string;
  letters: string;
}

/** Adds up over axes that nothing else names. */
function summed(w: Writer, name: string, letters: string, kept: (letter: string) => boolean): Operand {
  const axes = [...letters].flatMap((letter, axis) => (kept(letter) ? [] : [axis]));
  if (axes.length === 0) return { name, letters };
  return {
    // Before opset 13 axes were an attribute.
    name:
      w.importer.opset < 13
        ? w.op("ReduceSum", [name], { axes, keepdims: 0 })
        : w.op("ReduceSum", [name, w.ints(axes)], { keepdims: 0 }),
    letters: [...letters].filter(kept).join(""),
  };
}

function reordered(w: Writer, { name, letters }: Operand, to: string, output?: string): string {
  const perm = [...to].map((letter) => letters.indexOf(letter));
  if (output === undefined && perm.every((k, at) => k === at)) return name;
  return w.op("Transpose", [name], { perm }, output);
}

function product(w: Writer, a: Operand, b: Operand, to: string, sizes: ReadonlyMap<string, number>): Operand {
  const both = [...a.letters].filter((l) => b.letters.includes(l));
  const inner = both.filter((l) => !to.includes(l));
  const shared = both.filter((l) => to.includes(l));
  const rows = [...a.letters].filter((l) => !both.includes(l));
  const columns = [...b.letters].filter((l) => !both.includes(l));
  const dims = (list: readonly string[]): number[] => list.map((l) => sizes.get(l)!);
  const count = (list: readonly string[]): number => dims(list).reduce((x, y) => x * y, 1);
  const shaped = (name: string, target: readonly number[]): string => w.op("Reshape", [name, w.ints(target)]);
  if (inner.length === 0) {
    // Each element times another: no matrix product, which relevance would cross in another way.
    const order = [...shared, ...rows, ...columns];
    const wide = ({ letters, name }: Operand): string => {
      const own = reordered(w, { letters, name }, order.filter((l) => letters.includes(l)).join(""));
      return shaped(
        own,
        order.map((l) => (letters.includes(l) ? sizes.get(l)! : 1)),
      );
    };
    return { name: w.op("Mul", [wide(a), wide(b)]), letters: order.join("") };
  }
  const constant = [w.importer.constants.has(a.name), w.importer.constants.has(b.name)];
  if (constant[0] && !constant[1]) return product(w, b, a, to, sizes);
  // Against constants the axes of the tensor alone come first: the batch is among them.
  const outer = constant[1] && shared.length > 0 ? rows : [];
  const left = constant[1] && shared.length > 0 ? [] : rows;
  const aOrder = [...outer, ...shared, ...left, ...inner];
  const bOrder = [...shared, ...inner, ...columns];
  const matrixA = shaped(reordered(w, a, aOrder.join("")), [
    ...dims(outer),
    ...dims(shared),
    count(left),
    count(inner),
  ]);
  const matrixB = shaped(reordered(w, b, bOrder.join("")), [...dims(shared), count(inner), count(columns)]);
  const letters = [...outer, ...shared, ...left, ...columns];
  return { name: shaped(w.op("MatMul", [matrixA, matrixB]), dims(letters)), letters: letters.join("") };
}
