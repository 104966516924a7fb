import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createServer as createHttpServer, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export type Colour = "red" | "blue" | "lime";

/** Something that sends a picture of one colour with a moving bar, and can be killed and started anew. */
export interface Sender {
  start(colour: Colour): unknown;
  kill(): unknown;
}

/** ffmpeg's options for a live picture, 160x120 at 20 frames a second, its upper left a white bar that moves. */
const picture = (colour: Colour): string[] => [
  ...["-v", "error", "-nostdin", "-y", "-re", "-f", "lavfi"],
  ...[
    "-i",
    `color=${colour}:size=160x120:rate=20[a];color=white:size=8x20:rate=20[b];[a][b]overlay=x='mod(n*4,150)':y=0`,
  ],
];

export const H264 = "-c:v libx264 -preset ultrafast -tune zerolatency -g 10 -pix_fmt yuv420p".split(" ");
export const MPEG2 = "-c:v mpeg2video -b:v 1M -g 5".split(" ");

/** An ffmpeg that sends; started again whenever it ends by itself, as encoders are. */
export function ffmpegSender(
  args: readonly string[],
  again = true,
): Sender & { kill(signal?: NodeJS.Signals): void; said(): string } {
  let child: ChildProcess | undefined;
  let words = "";
  const start = (colour: Colour): void => {
    const started = spawn("ffmpeg", [...picture(colour), ...args], { stdio: ["ignore", "ignore", "pipe"] });
    child = started;
    started.stderr.on("data", (chunk) => {
      words = (words + chunk).slice(-2000);
    });
    started.once("exit", () => {
      if (again && child === started) setTimeout(() => child === started && start(colour), 50);
    });
  };
  const kill = (signal: NodeJS.Signals = "SIGKILL"): void => {
    const dying = child;
    child = undefined;
    dying?.kill(signal);
  };
  return { start, kill, said: () => words };
}

export const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

/** A server on a free or given port, with whatever is needed to end it at once. */
export async function listening<T extends Server>(server: T, port = 0): Promise<T & { end(): Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(port, "127.0.0.1");
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  const end = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return Object.assign(server, { end });
}

/** Accepts whoever comes and says nothing. */
export const silent = () => listening(createServer(() => undefined));

export const httpServer = (answer: RequestListener, port = 0) => listening(createHttpServer(answer), port);

/** Asks for a user and a password, as web servers and cameras do. */
export const locked =
  (login: string, answer: RequestListener): RequestListener =>
  (request, response) => {
    if (request.headers.authorization === `Basic ${Buffer.from(login).toString("base64")}`)
      return answer(request, response);
    response.writeHead(401, { "www-authenticate": 'Basic realm="camera"' });
    response.end();
  };

/** An MJPEG camera over HTTP. */
export function mjpegCamera(port: number, login?: string): Sender {
  let server: Awaited<ReturnType<typeof httpServer>> | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    start: async (colour) => {
      const args = [
        "-f",
        "lavfi",
        "-i",
        `color=${colour}:size=160x120`,
        "-frames:v",
        "1",
        "-q:v",
        "1",
        "-f",
        "mjpeg",
        "-",
      ];
      const jpeg = execFileSync("ffmpeg", ["-v", "error", "-nostdin", ...args]);
      const responses = new Set<ServerResponse>();
      const answer: RequestListener = (_request, response) => {
        response.writeHead(200, { "content-type": "multipart/x-mixed-replace;boundary=part" });
        responses.add(response);
        response.once("close", () => responses.delete(response));
      };
      server = await httpServer(login ? locked(login, answer) : answer, port);
      timer = setInterval(() => {
        for (const response of responses) {
          response.write(`--part\r\nContent-type: image/jpeg\r\nContent-length: ${jpeg.length}\r\n\r\n`);
          response.write(jpeg);
          response.write("\r\n");
        }
      }, 50);
    },
    kill: () => {
      clearInterval(timer);
      return server?.end();
    },
  };
}

/** An ffmpeg that passes on what is written to it. */
export function ffmpegPiped(input: readonly string[], to: string): { write(text: string): void; kill(): void } {
  const child = spawn("ffmpeg", ["-v", "error", ...input, to], { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.on("error", () => undefined);
  return { write: (text) => void child.stdin.write(text), kill: () => void child.kill("SIGKILL") };
}
