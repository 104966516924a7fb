import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { ffmpeg } from "./helpers.js";
import { listening, portOf } from "./senders.js";

/** One picture, as the units of its H.264. */
export type AccessUnit = readonly Buffer[];

export interface RtspCamera {
  url: string;
  end(): Promise<void>;
}

/** What a picture's first unit is, in a stream made with access unit delimiters. */
const DELIMITER = 9;
const RTP_HZ = 90_000;

/** H.264 of a moving picture, a whole one every second. */
export function h264(folder: string, name: string, size: string, rate: number, ...options: string[]): AccessUnit[] {
  const path = join(folder, `${name}.h264`);
  const tuning = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -x264-params".split(" ");
  const source = ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=${rate}`, "-t", "2"];
  ffmpeg(...source, ...tuning, `aud=1:repeat-headers=1:scenecut=0:keyint=${rate}`, ...options, "-f", "h264", path);
  return accessUnits(readFileSync(path));
}

export function accessUnits(stream: Buffer): AccessUnit[] {
  const units: Buffer[] = [];
  for (let at = stream.indexOf("\0\0\u0001", 0, "latin1"); at >= 0; ) {
    const next = stream.indexOf("\0\0\u0001", at + 3, "latin1");
    const unit = stream.subarray(at + 3, next < 0 ? undefined : next);
    units.push(next >= 0 && unit.at(-1) === 0 ? unit.subarray(0, -1) : unit);
    at = next;
  }
  const pictures: Buffer[][] = [];
  for (const unit of units) {
    if ((unit[0]! & 31) === DELIMITER) pictures.push([]);
    pictures.at(-1)!.push(unit);
  }
  return pictures;
}

/**
 * A network camera, over TCP only, that sends every `periodMs` what `picture` says: picture `n` of a connection, which began `passed` seconds
 * ago, and its time in seconds. It answers whoever comes, as often as they come.
 */
export async function rtspCamera(
  periodMs: number,
  picture: (n: number, passed: number) => { units: AccessUnit; time: number },
): Promise<RtspCamera> {
  const server = await listening(
    createServer((socket) => {
      let timer: NodeJS.Timeout | undefined;
      let text = "";
      socket.on("close", () => clearInterval(timer));
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
          // Reports of what was received stand between the requests.
          const request = /(?:OPTIONS|DESCRIBE|SETUP|PLAY|TEARDOWN|GET_PARAMETER) [\s\S]*$/.exec(text.slice(0, end));
          text = text.slice(end + 4);
          if (request) answer(socket, request[0]);
          if (request?.[0].startsWith("PLAY") && !timer) timer = play(socket, periodMs, picture);
        }
      });
    }),
  );
  return { url: `rtsp://127.0.0.1:${portOf(server)}/cam`, end: () => server.end() };
}

function answer(socket: Socket, request: string): void {
  const cseq = /cseq: *(\d+)/i.exec(request)?.[1] ?? "0";
  const say = (headers: readonly string[], body = ""): void => {
    const length = body ? [`Content-Length: ${body.length}`] : [];
    socket.write(["RTSP/1.0 200 OK", `CSeq: ${cseq}`, ...headers, ...length, "", body].join("\r\n"));
  };
  const media = ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1", "a=control:v"];
  const sdp = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=cam", "t=0 0", ...media, ""].join("\r\n");
  if (request.startsWith("OPTIONS")) say(["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]);
  else if (request.startsWith("DESCRIBE")) say(["Content-Type: application/sdp"], sdp);
  else if (request.startsWith("SETUP")) say(["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 42"]);
  else say(["Session: 42"]);
}

function play(socket: Socket, periodMs: number, picture: Parameters<typeof rtspCamera>[1]): NodeJS.Timeout {
  const began = performance.now();
  let n = 0;
  let sequence = 100;
  const send = (): void => {
    const { units, time } = picture(n++, (performance.now() - began) / 1000);
    const packets = units.flatMap((unit) => fragments(unit));
    for (const [i, packet] of packets.entries()) {
      const head = Buffer.alloc(16);
      head.write("$", 0);
      head.writeUInt16BE(12 + packet.length, 2);
      head.writeUInt8(0x80, 4);
      head.writeUInt8((i === packets.length - 1 ? 0x80 : 0) | 96, 5);
      head.writeUInt16BE(sequence++ & 0xffff, 6);
      head.writeUInt32BE(Math.round(time * RTP_HZ) >>> 0, 8);
      head.writeUInt32BE(0x1111, 12);
      socket.write(Buffer.concat([head, packet]));
    }
  };
  send();
  return setInterval(send, periodMs);
}

/** A unit as it goes into packets. */
function fragments(unit: Buffer, most = 1200): Buffer[] {
  if (unit.length <= most) return [unit];
  const body = unit.subarray(1);
  return Array.from({ length: Math.ceil(body.length / most) }, (_, i) => {
    const part = body.subarray(i * most, (i + 1) * most);
    const flags = (i === 0 ? 0x80 : 0) | ((i + 1) * most >= body.length ? 0x40 : 0);
    return Buffer.concat([Buffer.from([(unit[0]! & 0x60) | 28, flags | (unit[0]! & 31)]), part]);
  });
}
