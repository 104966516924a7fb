import type { WebSocket } from "ws";

/**
 * Answers the pings of a browser, one answer under way at a time: of those that come meanwhile only the last is answered.
 * Who pings and never reads so costs one answer's memory.
 */
export function replyToPings(socket: WebSocket): void {
  let underWay = false;
  let next: Buffer | null = null;
  const answer = (data: Buffer) => {
    underWay = true;
    socket.pong(data, undefined, () => {
      underWay = false;
      const waiting = next;
      next = null;
      if (waiting && socket.readyState === socket.OPEN) answer(waiting);
    });
  };
  socket.on("ping", (data: Buffer) => {
    if (underWay) next = Buffer.from(data);
    else answer(data);
  });
}
