import type { Explainer } from "../explanation.js";

/** Explains a batch, and when that fails each of its frames alone: `Explainer.explainEach`. */
export function explainEach(explain: Explainer["explain"]): Explainer["explainEach"] {
  const each: Explainer["explainEach"] = async (batch) => {
    try {
      return await explain(batch);
    } catch (error) {
      if (batch.length <= 1) return batch.map(() => (error instanceof Error ? error : new Error(String(error))));
      return (await Promise.all(batch.map((input) => each([input])))).flat();
    }
  };
  return each;
}
