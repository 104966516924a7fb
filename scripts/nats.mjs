import { connect } from "node:net";

/** The JSON object of a NATS server's first line, `INFO {...}`; undefined when the line is another. */
export function parseInfo(line) {
  const match = /^INFO\s+(\{.*\})\s*$/.exec(line);
  if (!match) return undefined;
  try {
    return JSON.parse(match[1]);
  } catch {
    return undefined;
  }
}

/** Whether a demo can use the server as it stands: JetStream on, neither credentials nor TLS asked for. */
export function isUsable(info) {
  return info?.jetstream === true && !info.auth_required && !info.tls_required;
}

/** What the NATS server at this address says of itself; undefined when none answers within the time. */
export function probe(host, port, timeoutMs = 1500) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let heard = "";
    const finish = (info) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(info);
    };
    const timer = setTimeout(finish, timeoutMs, undefined);
    socket.setEncoding("utf8");
    socket.on("error", () => finish(undefined));
    socket.on("close", () => finish(undefined));
    socket.on("data", (text) => {
      heard += text;
      const end = heard.indexOf("\r\n");
      if (end >= 0) finish(parseInfo(heard.slice(0, end)));
      else if (heard.length > 65536) finish(undefined);
    });
  });
}
