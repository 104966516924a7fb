/** Removes the last build: what a file that was moved or deleted had become must not stay importable. */
import { rmSync } from "node:fs";

rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });
