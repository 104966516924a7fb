/** A place in a pattern: a sign that is accepted there leads on; without `accepts` it leads on by itself. */
interface State {
  accepts?(sign: string): boolean;
  to: State[];
}

const END: State = { to: [] };

/**
 * Whether a name matches a pattern in which `*`, `?`, `[a-z]`, `[!a-z]` and `{a,b}` have their meaning. All ways through
 * the pattern are followed at once, so it takes no longer than the length of both lets it, however many stars there are.
 */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const start = compile(pattern, END);
  return (name) => {
    let at = reached(new Set([start]));
    for (const sign of name) {
      const next = new Set<State>();
      for (const state of at) if (state.accepts?.(sign)) for (const to of state.to) next.add(to);
      if (next.size === 0) return false;
      at = reached(next);
    }
    return at.has(END);
  };
}

function reached(states: Set<State>): Set<State> {
  // What is added while it is gone through is gone through as well.
  for (const state of states) if (!state.accepts) for (const to of state.to) states.add(to);
  return states;
}

/** The pattern's first place, when `end` comes after its last. */
function compile(pattern: string, end: State): State {
  const tokens = pattern.match(/\[[!^]?[^\]]+\]|\{[^}]*\}|\*+|[\s\S]/gu) ?? [];
  return tokens.reduceRight((next, token) => {
    if (token.startsWith("*")) {
      const star: State = { to: [next] };
      star.to.push({ accepts: () => true, to: [star] });
      return star;
    }
    if (token === "?") return { accepts: () => true, to: [next] };
    if (token.length > 2 && token.startsWith("[")) return { accepts: oneOf(token.slice(1, -1)), to: [next] };
    if (token.length > 1 && token.startsWith("{")) {
      const choices = token.slice(1, -1).split(",");
      return { to: choices.map((choice) => compile(choice, next)) };
    }
    return { accepts: (sign) => sign === token, to: [next] };
  }, end);
}

/** `a-z_`, or `!a-z` for all others. */
function oneOf(set: string): (sign: string) => boolean {
  const others = set.length > 1 && /^[!^]/.test(set);
  const ranges = [...(others ? set.slice(1) : set).matchAll(/([\s\S])-([\s\S])|[\s\S]/gu)];
  return (sign) => ranges.some(([one, from, to]) => (from ? sign >= from && sign <= to! : sign === one)) !== others;
}
