import type { EngineOptions, Ignored } from "./engine.js";

/** Which engine has a precision. */
const ELSEWHERE = { bfloat16: "openvino", float16: "onnxruntime on a graphics card" } as const;

/** Of an engine that computes in float32 whatever the precision. */
export const ignoredPrecision = (engine: string, { precision }: EngineOptions): Ignored[] =>
  precision === undefined || precision === "float32"
    ? []
    : [{ options: ["precision"], why: `the engine ${engine} computes in float32`, elsewhere: ELSEWHERE[precision] }];

/** Of an engine that writes no profile. */
export const ignoredProfile = (engine: string, { profile }: EngineOptions): Ignored[] =>
  profile === undefined ? [] : [{ options: ["profile"], why: `the engine ${engine} writes no profile` }];
