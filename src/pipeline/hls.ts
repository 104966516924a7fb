import { askFfmpeg, ffmpegPath } from "../ffmpeg/version.js";

const answers = new Map<string, Promise<string[]>>();

/**
 * Options by which ffmpeg reads segments of HLS whatever their names end in. Since 2025 it takes those with a few known
 * endings only, lest a playlist have it read what is no segment; here `sources/reach.ts` sees to that. Asked once.
 */
export function anySegmentName(path = ffmpegPath()): Promise<string[]> {
  let answer = answers.get(path);
  if (!answer) {
    answer = askFfmpeg(["-hide_banner", "-h", "demuxer=hls"], path).then(
      (stdout) => (/^\s*-extension_picky\b/m.test(stdout) ? ["-extension_picky", "0"] : []),
      () => {
        // That ffmpeg cannot be run is said where it is run next.
        answers.delete(path);
        return [];
      },
    );
    answers.set(path, answer);
  }
  return answer;
}
