import { truncate } from "../truncate.js";

/** Stands for every label beyond the bound. */
export const OTHER = "other";

const MAX_CHARACTERS = 80;

/** Keeps the first `limit` different values of a label as they are; later ones become "other". */
export function boundedLabel(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    const label = truncate(value, MAX_CHARACTERS);
    if (known.has(label)) return label;
    if (known.size >= limit) return OTHER;
    known.add(label);
    return label;
  };
}
