import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";
import { VideoExplainerError } from "../../errors.js";

export interface Asset {
  body: Buffer;
  type: string;
  etag: string;
}

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The page's files by request path, read once. Nothing that is not in this table is ever served. */
export async function loadAssets(folder: URL): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  try {
    for (const name of await readdir(folder)) {
      const type = TYPES[extname(name)];
      if (!type) continue;
      const body = await readFile(new URL(name, folder));
      const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 20)}"`;
      assets.set(`/${name}`, { body, type, etag });
    }
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new VideoExplainerError(
      "viewer-page",
      `the live page's files cannot be read (${why}): build the program again with "npm run build"`,
      { cause },
    );
  }
  const index = assets.get("/index.html");
  if (!index) {
    throw new VideoExplainerError(
      "viewer-page",
      'the live page\'s index.html is missing: build the program again with "npm run build"',
    );
  }
  assets.set("/", index);
  return assets;
}
