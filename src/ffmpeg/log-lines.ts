import type { ShapeReader } from "./shape.js";

/** ffmpeg's words as `-loglevel level+warning` prints them. */
export interface FfmpegLogLine {
  level: "panic" | "fatal" | "error" | "warning" | "info";
  text: string;
}

/** Harmless: said of every JPEG, whose range is set right, and of streams whose rate nobody asks for. */
const NOISE = /deprecated pixel format used|not enough frames to estimate rate/;

/** Since ffmpeg 6.1 its causes are followed by what they led to; lists say so of every version. */
const CONSEQUENCE =
  /^(?:Impossible to open |Error opening input file |Error binding |Task finished with |Terminating thread with |Could not open encoder before EOF|Cannot determine format of input |Nothing was written into output file)/;

/**
 * Of the side that writes raw pictures to us, by the names of its parts since ffmpeg 6 and, before, by what a muxer says. Nothing
 * there is a fault of what is read.
 */
const OUTPUT_SIDE =
  /^(?:\[[^\]]+\] )*?\[(?:(?:out|[avs]ost)#|enc:)[^\]]*\] |^\[rawvideo\] .*(?:\bmuxer\b|timestamp|\b[dp]ts\b)/i;

/** One line of ffmpeg's standard error; undefined for noise and blank lines. Addresses in memory are left out. */
export function parseLogLine(line: string): FfmpegLogLine | undefined {
  const bare = line.replace(/\[([^\s[\]]+) @ 0x[0-9a-f]+\] /g, "[$1] ").trim();
  if (!bare || NOISE.test(bare)) return undefined;
  const match = /\[(panic|fatal|error|warning|info)\] /.exec(bare);
  if (!match) return { level: "info", text: bare };
  return { level: match[1] as FfmpegLogLine["level"], text: bare.replace(match[0], "") };
}

const isError = ({ level }: FfmpegLogLine): boolean => level === "error" || level === "fatal" || level === "panic";

/** What ffmpeg was not let to open (`sources/reach.ts`), and why it then could not go on. */
const FORMAT_REFUSED = /^(?:\[[^\]]+\] )*\[([^\]\s]+)(?:\s[^\]]*)?\] Format not on whitelist '.*$/;
const PROTOCOL_REFUSED = /^(?:\[[^\]]+\] )*Protocol '([^']+)' not on whitelist '.*$/;

/** Undefined: nothing was refused. */
function refusal(text: string): string | undefined {
  const format = FORMAT_REFUSED.exec(text)?.[1];
  if (format !== undefined) return `it turned out to be ${format}, which is not read from such an address`;
  const protocol = PROTOCOL_REFUSED.exec(text)?.[1];
  if (protocol !== undefined)
    return `it leads to an address of the protocol ${protocol}, which is not opened for such a source`;
  return undefined;
}

const MAX_LINE_CHARACTERS = 4096;

/** The last lines that ffmpeg wrote, and among them its complaints. */
export class StderrTail {
  readonly #lines: string[] = [];
  readonly #faults: string[] = [];
  #rest = "";
  /** Takes out what is no word to a reader. */
  shapes: ShapeReader | undefined;

  constructor(
    private readonly mask: (text: string) => string,
    private readonly limit = 100,
  ) {}

  /** Text as it comes, in pieces; of a flood only the last lines. */
  write(text: string): void {
    const lines = (this.#rest + text).split(/\r?\n|\r/);
    this.#rest = lines.pop()!.slice(-MAX_LINE_CHARACTERS);
    // Half a secret is not known as one.
    const short = (line: string): string =>
      line.length > MAX_LINE_CHARACTERS ? this.mask(line).slice(0, MAX_LINE_CHARACTERS) : line;
    for (const line of lines.slice(-this.limit)) this.add(short(line));
  }

  /** Nothing more comes: what stands without a line's end counts as a line. */
  end(): void {
    this.add(this.#rest);
    this.#rest = "";
  }

  add(line: string): void {
    const word = parseLogLine(line);
    if (!word || this.shapes?.read(word.text)) return;
    const text = this.mask(word.text);
    push(this.#lines, text, this.limit);
    if (isError(word)) push(this.#faults, text, this.limit);
  }

  lines(): string[] {
    return [...this.#lines];
  }

  get hasFaults(): boolean {
    return this.#faults.length > 0;
  }

  /** Like `summary`, of what was read alone: complaints of our own raw output are left out. */
  inputSummary(): string | null {
    return summaryOf(this.#faults.filter((text) => !OUTPUT_SIDE.test(text)));
  }

  /** The last complaints, different ones only, as part of a sentence; null when there was none. */
  summary(): string | null {
    return summaryOf(this.#faults);
  }
}

function summaryOf(faults: readonly string[]): string | null {
  const refused = faults.flatMap((text) => refusal(text) ?? []);
  if (refused.length > 0) return [...new Set(refused)].slice(-2).join("; ");
  const stripped = faults.map(withoutOrigin);
  const causes = stripped.filter((text) => !CONSEQUENCE.test(text));
  const texts = [...new Set(causes.length > 0 ? causes : stripped)];
  const different = texts.filter((text) => !texts.some((t) => t !== text && t.includes(text))).slice(-2);
  return different.length > 0 ? different.join("; ") : null;
}

function push(list: string[], text: string, limit: number): void {
  list.push(text);
  if (list.length > limit) list.shift();
}

/** `[mov,mp4] moov atom not found`, `stream 0, offset 0x55bc: partial file`, `file:/a/b.mp4: Invalid data …`: without what the sentence around them says already. */
const withoutOrigin = (text: string): string =>
  text
    .replace(/^(?:\[[^\]]+\] )+/, "")
    .replace(/^Error opening input(?: files)?: /, "")
    .replace(/^stream \d+, offset 0x[0-9a-f]+: /, "")
    .replace(/^(?:[a-z][a-z0-9+.-]*:\/\/\S*|\/dev\/\S+|pipe:\d|file:.*?): (?=\S)/i, "")
    .replace(/\.$/, "");
