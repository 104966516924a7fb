import { expect, it } from "vitest";
import { InputError, inContext, ModelError, plainError, rebuildError, VideoExplainerError } from "../src/errors.js";

it("words an error from its reason and what it is about", () => {
  const reason = "cannot be read as video: it is a text file";
  const error = new InputError("unreadable-video", reason, { source: "belt", subject: "notes.mp4" });
  expect(error.message).toBe("source belt: notes.mp4 cannot be read as video: it is a text file");
  expect(new ModelError("model-output", "there is none", { file: "m.onnx" }).message).toBe("m.onnx: there is none");
  expect(new VideoExplainerError("internal", "it fell over").message).toBe("it fell over");
  expect(Object.hasOwn(error, "cause")).toBe(false);
});

it("says the same fault of something else, by its fields", () => {
  const error = new InputError("no-video", "holds no video", { source: "film", subject: "/tmp/a.mp4" });
  const other = inContext(error, { source: undefined, subject: "a.mp4" });
  expect(other).toBeInstanceOf(InputError);
  expect(other).toMatchObject({ message: "a.mp4 holds no video", code: "no-video", exitCode: 2, cause: error });
});

it("takes errors across a thread with all their fields", () => {
  for (const error of [
    new ModelError("model-size", "is too large", { subject: 'node "a"', file: "m.onnx" }),
    new InputError("region", "the region is outside", { source: "belt" }),
    new VideoExplainerError("engine-died", "the thread ended"),
  ]) {
    const { name, message, code, reason, context, exitCode } = error;
    const rebuilt = rebuildError(structuredClone(plainError(error)));
    expect(rebuilt).toMatchObject({ name, message, code, reason, context, exitCode });
    expect(rebuilt.constructor).toBe(error.constructor);
  }
  expect(rebuildError(plainError(new TypeError("boom")))).toMatchObject({ code: "internal", message: "boom" });
});
