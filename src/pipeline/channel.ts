import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VideoExplainerError } from "../errors.js";

/** Takes what a channel brings. */
export interface ByteSink {
  /** Where the next bytes shall be written. */
  buffer(): Uint8Array;
  /** So many bytes were written there. False: no more before `resume`. */
  filled(count: number, buffer: Uint8Array): boolean;
}

/** A one-way channel from a child process, which is given `writer` as one of its descriptors. */
export interface Channel {
  readonly writer: Socket;
  readonly reader: Socket;
}

/**
 * Opens a channel that writes into memory of the reader's choosing. A child's ordinary pipe brings its data in new
 * buffers of 64 KiB: with raw pictures, collecting those took three times as long as reading them.
 */
export async function openChannel(sink: ByteSink): Promise<Channel> {
  const folder = await mkdtemp(join(tmpdir(), "frames-")).catch((cause: NodeJS.ErrnoException) => {
    const message = `The temporary folder ${tmpdir()} cannot be written (${cause.code}); set TMPDIR to one that can.`;
    throw new VideoExplainerError("no-temporary-folder", message, { cause });
  });
  const path = join(folder, "channel");
  const server = createServer({ pauseOnConnect: true });
  try {
    return await new Promise<Channel>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, () => {
        const reader = connect({
          path,
          onread: { buffer: () => sink.buffer(), callback: (count, buffer) => sink.filled(count, buffer) },
        });
        reader.once("error", reject);
        server.once("connection", (writer) => resolve({ writer, reader }));
      });
    });
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}
