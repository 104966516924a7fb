/**
 * The websocket to the worker: reconnects by itself for ever. Handlers: `hello`, `style`, `news`, `gone` (parsed messages),
 * `picture(header, parts, acknowledge)`, `lost(reason)`.
 */
const RETRY_MS = [500, 1000, 2000, 3000, 5000];
const decoder = new TextDecoder();

function splitPicture(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(decoder.decode(new Uint8Array(buffer, 4, length)));
  const parts = {};
  let offset = 4 + length;
  for (const [name, type] of [
    ["original", "image/jpeg"],
    ["heatmap", "image/png"],
    ["overlay", "image/jpeg"],
  ]) {
    const bytes = header.bytes[name];
    parts[name] = bytes > 0 ? new Blob([new Uint8Array(buffer, offset, bytes)], { type }) : null;
    offset += bytes;
  }
  return [header, parts];
}

export function connect(handlers) {
  let socket = null;
  let attempts = 0;
  let watched = null;

  const send = (message) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };

  const open = () => {
    const url = new URL("live", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(url);
    socket = mine;
    mine.binaryType = "arraybuffer";
    mine.onopen = () => send({ type: "watch", keys: watched });
    mine.onmessage = ({ data }) => {
      if (typeof data === "string") {
        attempts = 0;
        const message = JSON.parse(data);
        handlers[message.type]?.(message);
        return;
      }
      const [header, parts] = splitPicture(data);
      handlers.picture(header, parts, () => send({ type: "ack", key: header.key, id: header.id }));
    };
    mine.onclose = ({ code, reason }) => {
      handlers.lost(code === 1013 ? reason : "");
      const wait = RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)];
      setTimeout(open, wait * (0.8 + Math.random() * 0.4));
    };
  };
  open();

  return {
    /** Tells the worker which sources are on screen; it sends pictures of no others. */
    watch(keys) {
      watched = keys;
      send({ type: "watch", keys });
    },
  };
}
