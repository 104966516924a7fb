import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
} from "yaml";

export type Path = readonly PropertyKey[];

/** `sources[0].region.x` */
export function dotted(path: Path): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : `${text && "."}${String(part)}`;
  return text;
}

/** The inverse of `dotted`, for the keys of this schema. */
export const undotted = (text: string): Path =>
  [...text.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) => (index === undefined ? key! : Number(index)));

/** What a path leads to in a document; `exact` is false when only an ancestor is there. */
export interface Found {
  node: Node | null;
  /** The pair that holds the node, when a mapping does. */
  pair?: Pair<Node, Node | null>;
  exact: boolean;
}

function follow(document: Document, node: unknown): Node | null {
  let at = node as Node | null;
  for (let hops = 0; isAlias(at) && hops < 100; hops++) at = (at.resolve(document) as Node | undefined) ?? null;
  return at;
}

function pairOf(document: Document, node: Node, key: string, depth = 0): Pair<Node, Node | null> | undefined {
  if (!isMap<Node, Node | null>(node)) return undefined;
  const named = (wanted: string) => node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === wanted);
  const own = named(key);
  if (own || depth > 8) return own;
  const merged = follow(document, named("<<")?.value);
  const maps = isSeq(merged) ? merged.items : [merged];
  for (const map of maps) {
    const target = follow(document, map);
    const pair = target && pairOf(document, target, key, depth + 1);
    if (pair) return pair;
  }
  return undefined;
}

/** Follows a path through mappings, lists, aliases and merged mappings. */
export function find(document: Document, path: Path): Found {
  let found: Found = { node: follow(document, document.contents), exact: true };
  for (const part of path) {
    const { node } = found;
    const inexact = { ...found, exact: false };
    if (node === null) return inexact;
    if (isSeq(node) && typeof part === "number") {
      const item = node.items[part];
      if (item === undefined || isPair(item)) return inexact;
      found = { node: follow(document, item), exact: true };
    } else {
      const pair = pairOf(document, node, String(part));
      if (!pair) return inexact;
      found = { node: follow(document, pair.value), pair, exact: true };
    }
  }
  return found;
}

/** 1-based place of a value; of its key where the value is empty, of the nearest ancestor where it is missing. */
export function place(found: Found, lines: LineCounter, of: "key" | "value"): { line: number; column: number } {
  const key = found.pair?.key.range;
  const value = found.node?.range;
  const empty = !value || value[0] === value[1];
  const range = key && (of === "key" || (empty && !isCollection(found.node))) ? key : (value ?? key);
  return position(lines, range?.[0] ?? 0);
}

/** 1-based place of an offset. */
export function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return line === 0 ? { line: 1, column: 1 } : { line, column: col };
}
