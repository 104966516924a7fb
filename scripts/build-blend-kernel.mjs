/**
 * Compiles src/overlay/blend-kernel.c into src/overlay/blend-kernel.ts. Needed only after the C file was changed.
 * The compiler is zig's clang: `python3 -m pip install ziglang==0.17.1`, another Python by the variable PYTHON.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const overlay = fileURLToPath(new URL("../src/overlay/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "blend-kernel-"));
try {
  const output = join(folder, "blend-kernel.wasm");
  const target = ["-target", "wasm32-freestanding", "-mcpu=generic+simd128", "-O3", "-nostdlib"];
  const linker = ["--no-entry", "--strip-all", "--import-memory", "--initial-memory=65536", "-z,stack-size=1024"];
  const source = join(overlay, "blend-kernel.c");
  execFileSync(
    process.env.PYTHON ?? "python3",
    ["-m", "ziglang", "cc", ...target, ...linker.map((option) => `-Wl,${option}`), "-o", output, source],
    { stdio: "inherit" },
  );
  const bytes = readFileSync(output);
  const sha256 = createHash("sha256").update(readFileSync(source)).digest("hex");
  writeFileSync(
    join(overlay, "blend-kernel.ts"),
    `/** Made by scripts/build-blend-kernel.mjs from blend-kernel.c of this SHA-256. */
export const BLEND_KERNEL_SOURCE = "${sha256}";

/** ${bytes.length} bytes of WebAssembly, base64. */
export const BLEND_KERNEL =
  "${bytes.toString("base64")}";
`,
  );
  console.log(`src/overlay/blend-kernel.ts holds ${bytes.length} bytes of WebAssembly`);
} finally {
  rmSync(folder, { recursive: true });
}
