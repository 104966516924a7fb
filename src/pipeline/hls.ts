import { askFfmpeg, oncePerFfmpeg } from "../ffmpeg/version.js";

const pickyOptions = oncePerFfmpeg(async (path) =>
  /^\s*-extension_picky\b/m.test(await askFfmpeg(["-hide_banner", "-h", "demuxer=hls"], path))
    ? ["-extension_picky", "0"]
    : [],
);

/**
 * Options by which ffmpeg reads segments of HLS whatever their names end in. Since 2025 it takes those with a few known
 * endings only, lest a playlist have it read what is no segment; here `sources/reach.ts` sees to that. Asked once.
 */
export const anySegmentName = (path?: string): Promise<string[]> =>
  // That ffmpeg cannot be run is said where it is run next.
  pickyOptions(path).catch(() => []);
