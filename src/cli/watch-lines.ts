import { stripVTControlCharacters } from "node:util";
import type { SourceStatus, Summary } from "../messages/summary.js";
import { truncate } from "../truncate.js";

const BAR = 12;
const LABEL = 26;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const CODES = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, cyan: 36, grey: 90 };
const STATES: Record<SourceStatus["state"], keyof typeof CODES> = {
  connecting: "cyan",
  live: "green",
  stalled: "yellow",
  frozen: "yellow",
  ended: "grey",
  failed: "red",
};

/** What comes from the network must not steer the terminal. */
const forTerminal = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes.
  stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");

const fit = (text: string, width: number): string => truncate(text, width).padEnd(width);

/** `share` (0..1) as a bar of at most 12 characters, in steps of an eighth of one. */
export function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * BAR * 8);
  return ("█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]).padEnd(BAR);
}

/** The local time of day, with milliseconds; the text as it is where it is no time. */
function clock(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return forTerminal(iso);
  const two = (n: number): string => String(n).padStart(2, "0");
  const seconds = `${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return `${two(at.getHours())}:${two(at.getMinutes())}:${seconds}`;
}

/** Turns messages into lines for people. `withStation` names the station beside each source. */
export function createLines(options: { colours: boolean; withStation: boolean }) {
  let nameWidth = 0;
  const states = new Map<string, string>();

  const paint = (text: string, ...how: (keyof typeof CODES)[]): string =>
    options.colours ? `\u001b[${how.map((h) => CODES[h]).join(";")}m${text}\u001b[0m` : text;

  const nameOf = ({ station, source }: { station: string; source: string }): string => {
    const name = options.withStation ? `${station}/${source}` : source;
    nameWidth = Math.max(nameWidth, name.length);
    return name.padEnd(nameWidth);
  };

  return {
    /** One line a frame: time, source, label, probability with a bar, concentration, end-to-end latency, warnings. */
    summary(of: Summary): string {
      const { label, probability } = of.classification.target;
      const share = `${(probability * 100).toFixed(0).padStart(3)} %`;
      const concentration = of.relevance
        ? `concentration ${(of.relevance.concentration * 100).toFixed(0).padStart(3)} %`
        : "only classified    ";
      return [
        paint(clock(of.capturedAt), "dim"),
        nameOf(of),
        paint(fit(forTerminal(label), LABEL), "bold"),
        share,
        paint(bar(probability), "cyan"),
        concentration,
        `${of.timing.totalMs.toFixed(0).padStart(5)} ms`,
        ...(of.warnings?.length ? [paint(of.warnings.join(", "), "yellow")] : []),
      ].join("  ");
    },

    /** A line when state, reason or restarts have changed; null when the status only repeats itself. */
    status(of: SourceStatus): string | null {
      const key = `${of.station}/${of.source}`;
      const shownState = `${of.state} ${of.reason} ${of.restarts}`;
      if (states.get(key) === shownState) return null;
      states.set(key, shownState);
      const more: string[] = [];
      if (of.reason) more.push(forTerminal(of.reason));
      if (of.restarts > 0) more.push(`restarted ${of.restarts} ${of.restarts === 1 ? "time" : "times"}`);
      const state = paint(`● ${of.state}`, STATES[of.state], "bold");
      return [paint(clock(of.time), "dim"), nameOf(of), [state, ...more].join(", ")].join("  ");
    },
  };
}
