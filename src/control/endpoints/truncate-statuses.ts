import type { SourceStatus } from "../../messages/summary.js";
import { truncate } from "../../truncate.js";

/** How much of ffmpeg's last lines and of a reason is kept of each source, the most generous first. */
const LEFT: readonly { lines: number; characters: number }[] = [
  { lines: 20, characters: 400 },
  { lines: 5, characters: 200 },
  { lines: 1, characters: 200 },
  { lines: 0, characters: 100 },
];
/** Beside the statuses: the ledger of the station, names, braces. */
const ENVELOPE_BYTES = 2048;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The statuses as they are where they fit into an answer of `maxBytes`, else with fewer of ffmpeg's last lines. */
export function truncateStatuses(statuses: SourceStatus[], maxBytes: number): SourceStatus[] {
  const room = maxBytes - ENVELOPE_BYTES;
  let fitting = statuses;
  for (const { lines, characters } of LEFT) {
    if (bytesOf(fitting) <= room) break;
    fitting = statuses.map((status) => ({
      ...status,
      reason: status.reason && truncate(status.reason, characters),
      ffmpeg: status.ffmpeg
        .slice(status.ffmpeg.length - Math.min(lines, status.ffmpeg.length))
        .map((line) => truncate(line, characters)),
    }));
  }
  return fitting;
}
