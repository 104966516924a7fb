import { type Document, isMap, isScalar, Lexer, visit } from "yaml";

/** Keys, values, entries and brackets: a configuration of a thousand sources has half of these, as has a card with the labels of ImageNet-21k. */
export const MAX_NODES = 60_000;
/** Aliases and anchors: each alias is looked for in all that stands before it. */
export const MAX_ANCHORS = 1000;

/** What of a YAML text is more than anybody writes, found before it is parsed; undefined where nothing is. */
export function excess(text: string): string | undefined {
  let [parts, anchors] = [0, 0];
  for (const token of new Lexer().lex(text)) {
    const first = token[0] ?? "";
    if (first === "&" || first === "*") anchors++;
    // Not blanks and marks of the lexer's own, comments, and what ends or joins.
    else if (first > " " && first !== "\ufeff" && !"#:,}]".includes(first)) parts++;
    if (anchors > MAX_ANCHORS) return `more than ${MAX_ANCHORS} anchors and aliases`;
    if (parts > MAX_NODES) return `more than ${MAX_NODES} keys and values`;
  }
  return undefined;
}

/** A key that comes twice in one mapping. */
export interface TwiceKey {
  name: string;
  offset: number;
}

/** Keys that come twice; linear, unlike the parser's own check. */
export function keysGivenTwice(document: Document): TwiceKey[] {
  const twice: TwiceKey[] = [];
  visit(document, {
    Map: (_, map) => {
      if (!isMap(map)) return;
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name) && name !== "<<") twice.push({ name, offset: key.range?.[0] ?? 0 });
        seen.add(name);
      }
    },
  });
  return twice;
}
