import { type Document, type Node, type Scalar, visit } from "yaml";

export type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLE = /\$\$\{[^}\r\n]*\}|\$\{(?:([A-Za-z_]\w*):-([^}\r\n]*)|([^{}"'\r\n]*))\}/g;
const NAME = /^[A-Za-z_]\w*$/;
const NOT_UNDERSTOOD =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: shown as it is to be written
  "a variable begins here with ${ that is not understood; write ${NAME} or ${NAME:-default}, and $${ for a literal ${";
const CODE_BASE = 0x4e00;
const CODE_SIZE = 20_000;

interface Token {
  /** As written, e.g. `${PORT:-8080}`. */
  written: string;
  offset: number;
  /** Of the variable, where it is one. */
  name?: string;
  /** Undefined when it cannot be resolved; `fault` then says why. */
  value?: string;
  fault?: string;
  escape: boolean;
}

/** A fault of a variable, with its place in the text. */
export interface VariableFault {
  offset: number;
  message: string;
}

/** What became of the variables in a document's scalars. */
export interface Substituted {
  /** Scalars that hold anything from the environment, as they were written. */
  written: Map<Node, string>;
  /** Scalars whose variable was read as a number, boolean or null: the same as text. */
  asText: Map<unknown, string>;
  /** Scalars with a variable that has no value. */
  broken: Set<Node>;
  faults: VariableFault[];
}

function resolve(written: string, offset: number, name: string, fallback: string | undefined, env: Environment): Token {
  if (written.startsWith("$$")) return { written, offset, value: written.slice(1), escape: true };
  if (!NAME.test(name)) return { written, offset, fault: NOT_UNDERSTOOD, escape: false };
  // As in a shell, `:-` also replaces an empty value. Object.hasOwn keeps `${toString}` undefined in a plain object.
  const found = Object.hasOwn(env, name) ? env[name] : undefined;
  const value = fallback !== undefined && !found ? fallback : found;
  if (value !== undefined) return { written, offset, name, value, escape: false };
  const fault = `environment variable ${name} is not set; set it, or give a default as in \${${name}:-default}`;
  return { written, offset, fault, escape: false };
}

/** The YAML 1.2 core reading of an unquoted scalar. */
function readPlain(text: string): unknown {
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^(?:~|null|Null|NULL)$/.test(text)) return null;
  if (/^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text)) return Number(text);
  if (/^0x[0-9a-fA-F]+$/.test(text) || /^0o[0-7]+$/.test(text)) return Number(text);
  return text;
}

/**
 * Variables are hidden from the YAML parser, since `{ port: ${PORT} }` is not YAML, and since their values must not be
 * read as YAML. Each becomes a mark of the same length, so that every line and column stays as written.
 */
export class Variables {
  /** The text with variables hidden. */
  readonly hidden: string;
  readonly #tokens: Token[] = [];
  readonly #start: string;
  readonly #mark: RegExp;

  constructor(text: string, env: Environment) {
    const [start, pad] = unusedCharacters(text);
    this.#start = start;
    this.#mark = new RegExp(`${start}([^])([^])${pad}*`, "g");
    this.hidden = text.replace(VARIABLE, (written, name?: string, fallback?: string, bare?: string, offset = 0) => {
      const index = this.#tokens.length;
      this.#tokens.push(resolve(written, offset, name ?? bare ?? "", fallback, env));
      const code = String.fromCharCode(CODE_BASE + (index % CODE_SIZE), CODE_BASE + Math.floor(index / CODE_SIZE));
      return start + code + pad.repeat(written.length - 3);
    });
  }

  /** Values of variables that are called like a secret. */
  secrets(): Record<string, string>[] {
    return this.#tokens.flatMap(({ name, value }) => (value !== undefined && name ? [{ [name]: value }] : []));
  }

  #token(high: string, low: string): Token {
    return this.#tokens[high.charCodeAt(0) - CODE_BASE + (low.charCodeAt(0) - CODE_BASE) * CODE_SIZE]!;
  }

  /** Hidden variables as they were written. */
  restore(text: string): string {
    return text.replace(this.#mark, (_, high: string, low: string) => this.#token(high, low).written);
  }

  /** Puts values into the document's scalars; keys keep what was written. */
  substitute(doc: Document): Substituted {
    const result: Substituted = { written: new Map(), asText: new Map(), broken: new Set(), faults: [] };
    visit(doc, {
      Scalar: (key, node) => {
        if (typeof node.value !== "string") return;
        if (key === "key") node.value = this.restore(node.value);
        else this.#fill(node as Scalar<string>, result);
      },
    });
    return result;
  }

  #fill(node: Scalar<string>, result: Substituted): void {
    const raw = node.value;
    if (!raw.includes(this.#start) && !raw.includes("${")) return;
    if (/(?:^|[^$])\$\{/.test(raw)) {
      result.faults.push({ offset: node.range?.[0] ?? 0, message: NOT_UNDERSTOOD });
    }
    const used: Token[] = [];
    const text = raw.replaceAll("$${", "${").replace(this.#mark, (_, high: string, low: string) => {
      const token = this.#token(high, low);
      used.push(token);
      if (token.fault !== undefined) result.faults.push({ offset: token.offset, message: token.fault });
      return token.value ?? "";
    });
    if (used.some((token) => token.fault !== undefined)) result.broken.add(node);
    if (used.some((token) => !token.escape)) result.written.set(node, this.restore(raw));
    node.value = text;
    const [only] = used;
    const whole = used.length === 1 && !only!.escape && raw.length === only!.written.length;
    if (!whole || node.type !== "PLAIN" || node.tag !== undefined) return;
    const value = readPlain(text.trim());
    if (value === text) return;
    (node as Scalar).value = value;
    result.asText.set(node, text);
  }
}

/** Two private-use characters that the text does not hold. */
function unusedCharacters(text: string): [string, string] {
  const used = new Set(text);
  const free: string[] = [];
  for (let code = 0xe000; code < 0xf900 && free.length < 2; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) free.push(character);
  }
  // Only a text made of nothing but private-use characters gets here; it is refused as binary before.
  if (free.length < 2) throw new RangeError("no private-use character is free");
  return [free[0]!, free[1]!];
}
