/** Copies what the compiler leaves behind: every file under src/ that is not TypeScript goes to the same place in dist/. */
import { cp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(root, "src");
const to = join(root, "dist");

let copied = 0;
for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.endsWith(".ts")) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  await cp(file, join(to, file.slice(from.length)));
  copied++;
}
console.log(`copied ${copied} files to dist`);
