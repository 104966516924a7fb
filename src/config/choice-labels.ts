import { listed } from "../truncate.js";
import { dotted } from "../yaml-locate.js";
import type { ChoiceFault, Only, When } from "./choice.js";
import { nearest } from "./nearest.js";

/** The parts of a configuration that name labels of the model. */
export interface NamesLabels {
  explain: { when: When | null };
  sinks: readonly { only?: Only }[];
}

/** Labels that the model does not have, with what was probably meant. */
export function unknownLabels({ explain, sinks }: NamesLabels, known: readonly string[]): ChoiceFault[] {
  const lists = [
    { path: ["explain", "when", "labels"], labels: explain.when?.labels },
    ...sinks.map(({ only }, i) => ({ path: ["sinks", i, "only", "labels"], labels: only?.labels })),
  ];
  const have = new Set(known);
  return lists.flatMap(({ path, labels = [] }) =>
    labels.flatMap((label, i) => {
      if (have.has(label)) return [];
      const near = nearest(label, known);
      const hint = near === undefined ? `it has ${listed(known, 8)}` : `did you mean "${near}"?`;
      const at = [...path, i];
      return [{ path: at, text: `${dotted(at)} "${label}" is not a label of the model; ${hint}` }];
    }),
  );
}
