import createCommand, { type FfmpegCommand } from "fluent-ffmpeg";

declare module "fluent-ffmpeg" {
  interface FfmpegCommand {
    /** Not among its types: the arguments of the program, in order. */
    _getArguments(): string[];
  }
}

/** ffmpeg's arguments as fluent-ffmpeg puts them in order. Spread, options are taken as they are; an array's would be split at spaces. */
export function ffmpegArguments(describe: (command: FfmpegCommand) => void): string[] {
  const command = createCommand();
  describe(command);
  return command._getArguments();
}
