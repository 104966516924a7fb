import createCommand, { type FfmpegCommand } from "fluent-ffmpeg";
import { VideoExplainerError } from "../errors.js";

/** One run of ffmpeg: an input, what is done with its pictures, an output. Options are taken as they are, one word each. */
export interface CommandParts {
  input: string;
  inputOptions: readonly string[];
  /** A chain of filters, or a graph whose result bears the name `out`. */
  filter: { chain: string } | { graph: string };
  output: string;
  outputOptions: readonly string[];
}

/** The part of fluent-ffmpeg's commands that is not in its types. */
interface Internals {
  _getArguments(): string[];
}

const withArguments = (command: FfmpegCommand): command is FfmpegCommand & Internals => "_getArguments" in command;

/** The arguments of an ffmpeg process, as fluent-ffmpeg puts them in order; all that is asked of that package is asked here. */
export function ffmpegArguments({ input, inputOptions, filter, output, outputOptions }: CommandParts): string[] {
  const command = createCommand()
    .input(input)
    // Spread, options are taken as they are; the entries of an array would be split at their spaces.
    .inputOptions(...inputOptions)
    .output(output)
    .outputOptions(...outputOptions);
  if ("chain" in filter) command.videoFilters(filter.chain);
  else command.complexFilter(filter.graph, "out");
  if (!withArguments(command))
    throw new VideoExplainerError("internal", "this version of fluent-ffmpeg does not give its arguments; install 2.1");
  return command._getArguments();
}
