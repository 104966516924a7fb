import { ELEMENT_CODE } from "../../program/emitter.js";
import type { Operation } from "../../program/program.js";
import { Additions, operation } from "../operation.js";
import type { Constant, Graph } from "../serialise.js";

const KEEP = { keepdims: { int: 1 } } as const;
const TO = { float32: { to: { int: ELEMENT_CODE.float32 } }, int64: { to: { int: ELEMENT_CODE.int64 } } } as const;

/**
 * A graph that finds and marks the explained class in float32, where whole numbers are exact up to 2^24, and makes an int64 of it for
 * the output alone: onnxruntime's WebGPU provider has no arithmetic on int64, and each step of it would wait for the device, run on
 * the processor and go back. The first of equal scores is the class, as with ArgMax; scores that are no numbers give the last.
 */
export function classesInFloat(graph: Graph): Graph {
  const marker = graph.operations.find(({ op }) => op === "OneHot");
  const find = graph.operations.find(({ op }) => op === "ArgMax");
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const count = marker && integers(constants.get(marker.inputs[1]!))?.[0];
  if (marker === undefined || find === undefined || count === undefined) return graph;
  const made = new Additions();
  const axis = made.ints("class_axis", [1]);
  const numbers = made.floats("class_numbers", [1, count], [...Array(count).keys()]);
  /** Values that are numbers of classes: here float32 `[N, 1]`. */
  const classes = new Set<string>();
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const translate = (o: Operation): Operation[] => {
    const [x, second] = o.inputs as [string, string | undefined];
    const [y] = o.outputs as [string];
    if (o === find) {
      classes.add(y);
      const named = (part: string): string => `${y}_${part}`;
      return [
        operation("ReduceMax", [x, axis], named("best"), KEEP),
        operation("Equal", [x, named("best")], named("is_best")),
        operation("Where", [named("is_best"), numbers, made.floats("class_none", [], [count])], named("candidates")),
        operation("ReduceMin", [named("candidates"), axis], named("first"), KEEP),
        operation("Min", [named("first"), made.floats("class_last", [], [count - 1])], y),
      ];
    }
    if (o === marker) {
      const marked = `${y}_marked`;
      return [operation("Equal", [x, numbers], marked), operation("Cast", [marked], y, TO.float32)];
    }
    if (!classes.has(x)) return [o];
    if (outputs.has(y))
      return [operation("Squeeze", [x, axis], `${y}_float`), operation("Cast", [`${y}_float`], y, TO.int64)];
    classes.add(y);
    const value = integers(constants.get(second ?? ""))?.[0];
    return [value === undefined ? o : { ...o, inputs: [x, made.floats(`class_${value}_float`, [], [value])] }];
  };
  return made.in(graph, graph.operations.flatMap(translate));
}

const integers = (constant: Constant | undefined): readonly number[] | undefined =>
  constant && "data" in constant && Array.isArray(constant.data) ? constant.data : undefined;
