import { InputError } from "../../errors.js";
import type { Engine } from "./engine.js";
import { onnxruntimeRunner } from "./onnxruntime.js";

/** Engines by name, best first. One line registers one. */
export const ENGINES: Record<string, Engine> = {
  onnxruntime: onnxruntimeRunner,
};

/** `auto` is the first that is registered. */
export function engineNamed(name: string): Engine {
  const engine = name === "auto" ? Object.values(ENGINES)[0] : Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
  if (!engine)
    throw new InputError(
      "unknown-engine",
      `engine "${name}" is not known; known are auto, ${Object.keys(ENGINES).join(", ")}.`,
    );
  return engine;
}
