/** A value as Python's `repr` writes it; keys of dicts as text. */
export type PythonValue = string | number | boolean | null | PythonValue[] | Map<string, PythonValue>;

/** Brackets within brackets beyond which a text is none that anybody wrote. */
const MAX_DEPTH = 32;
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "0": "\0",
  "\n": "",
};
const WORDS: Readonly<Record<string, PythonValue>> = { True: true, False: false, None: null };
const CLOSING: Readonly<Record<string, string>> = { "[": "]", "(": ")", "{": "}" };

class NotPython extends Error {}

/**
 * Reads a literal of Python: numbers, strings, True, False, None, lists, tuples and dicts of them. Nothing is evaluated.
 * @returns undefined where the text is something else. Time is linear in its length.
 */
export function pythonLiteral(text: string): PythonValue | undefined {
  const reader = new Reader(text);
  try {
    const value = reader.value(0);
    return reader.isAtEnd() ? value : undefined;
  } catch (error) {
    if (error instanceof NotPython) return undefined;
    throw error;
  }
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  value(depth: number): PythonValue {
    if (depth > MAX_DEPTH) throw new NotPython();
    const first = this.#peek();
    if (first === "[" || first === "(") return this.#items(first, depth);
    if (first === "{") return this.#dict(depth);
    if (first === "'" || first === '"') return this.#strings();
    return this.#word();
  }

  isAtEnd(): boolean {
    return this.#peek() === undefined;
  }

  /** The next character that is no blank. */
  #peek(): string | undefined {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
    return this.text[this.#at];
  }

  #takes(wanted: string): boolean {
    if (this.#peek() !== wanted) return false;
    this.#at++;
    return true;
  }

  #items(opening: string, depth: number): PythonValue {
    this.#at++;
    const items: PythonValue[] = [];
    let commas = 0;
    while (!this.#takes(CLOSING[opening]!)) {
      if (items.length > commas) throw new NotPython();
      items.push(this.value(depth + 1));
      if (this.#takes(",")) commas++;
    }
    // Brackets around one value alone are no tuple.
    return opening === "(" && items.length === 1 && commas === 0 ? items[0]! : items;
  }

  #dict(depth: number): Map<string, PythonValue> {
    this.#at++;
    const entries = new Map<string, PythonValue>();
    for (let more = true; !this.#takes("}"); ) {
      if (!more) throw new NotPython();
      const key = this.value(depth + 1);
      if (typeof key === "object" || !this.#takes(":")) throw new NotPython();
      entries.set(String(key), this.value(depth + 1));
      more = this.#takes(",");
    }
    return entries;
  }

  /** Strings that follow each other are one. */
  #strings(): string {
    let whole = "";
    for (let quote = this.#peek(); quote === "'" || quote === '"'; quote = this.#peek()) whole += this.#string(quote);
    return whole;
  }

  #string(quote: string): string {
    let text = "";
    this.#at++;
    for (;;) {
      const c = this.text[this.#at++];
      if (c === undefined || c === "\n") throw new NotPython();
      if (c === quote) return text;
      text += c === "\\" ? this.#escape() : c;
    }
  }

  #escape(): string {
    const c = this.text[this.#at++] ?? "";
    const digits = { x: 2, u: 4, U: 8 }[c];
    if (digits === undefined) return ESCAPES[c] ?? (c === "\\" || c === "'" || c === '"' ? c : `\\${c}`);
    const code = this.text.slice(this.#at, this.#at + digits);
    this.#at += digits;
    const point = Number.parseInt(code, 16);
    if (!/^[0-9a-f]+$/i.test(code) || code.length !== digits || point > 0x10ffff) throw new NotPython();
    return String.fromCodePoint(point);
  }

  #word(): PythonValue {
    const start = this.#at;
    while (/[\w.+-]/.test(this.text[this.#at] ?? "")) this.#at++;
    const word = this.text.slice(start, this.#at);
    if (Object.hasOwn(WORDS, word)) return WORDS[word]!;
    if (!/^[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(word)) throw new NotPython();
    return Number(word.replaceAll("_", ""));
  }
}
