/** The messages of an ONNX file, for scripts that write one or look into one. */
export { ModelProto } from "../proto/onnx.js";
