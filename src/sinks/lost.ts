import type { OutMessage } from "../messages/message.js";

/** `3 overlay and 5 summary messages were`, for the sentence that says what was lost. */
export function countByKind(messages: readonly OutMessage[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of messages) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const parts = [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([kind, count]) => `${count} ${kind}`);
  const listed = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : (parts[0] ?? "0");
  return messages.length === 1 ? `${listed} message was` : `${listed} messages were`;
}
