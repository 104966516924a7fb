import { turned } from "../../frame.js";
import type { SourceKind } from "./kind.js";

/** Cameras on this machine, `/dev/videoN`. A camera that is not plugged in yet is waited for. */
export const v4l2: SourceKind = {
  name: "v4l2",
  looksLike: "/dev/video0",
  isLive: true,
  matches: (url) => /^(?:v4l2:\/\/)?\/dev\/(?:video\d+|v4l\/\S+)$/.test(url) && !/\/\.\.?(?:\/|$)/.test(url),
  inputOptions: ({ fps, width, height, rotate }) => {
    const size = width && height ? turned({ width, height }, rotate) : undefined;
    return [
      ...["-f", "v4l2"],
      ...(fps ? ["-framerate", String(fps)] : []),
      ...(size ? ["-video_size", `${size.width}x${size.height}`] : []),
    ];
  },
  reach: () => ({ protocols: [], formats: ["v4l2"] }),
  input: ({ url }) => ({ address: url.replace(/^v4l2:\/\//, "") }),
};
