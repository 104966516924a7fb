/**
 * What ffmpeg may open on behalf of one source. Without it the far end decides: whatever it sends is recognised by its
 * content, and a playlist or manifest names further addresses, files of this machine among them.
 */
export interface Reach {
  /** Protocols by ffmpeg's names, those beneath included: `rtmps` needs `tls`, and that needs `tcp`. */
  protocols: readonly string[];
  /** Demuxers by ffmpeg's names. Those of the segments of a playlist count as well. */
  formats: readonly string[];
}

const list = (names: string): string[] => names.trim().split(/\s+/);

/** Single pictures. None of these opens anything further. */
export const PICTURES: readonly string[] = list(`
  image2 image2pipe bmp_pipe dds_pipe exr_pipe gif gif_pipe apng hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe
  jpegxl_anim pam_pipe pbm_pipe pcx_pipe pgm_pipe pgmyuv_pipe png_pipe ppm_pipe qoi_pipe sgi_pipe tiff_pipe webp_pipe`);

/** Containers and bare streams, of sound too, since it travels beside the pictures. None of these opens anything further. */
export const STREAMS: readonly string[] = list(`
  mpegts mpeg flv live_flv mov matroska ogg avi asf asf_o nut mxf gxf ivf rm wtv dv nsv dhav pva swf smjpeg
  mjpeg mjpeg_2000 mpjpeg h261 h263 h264 hevc vvc evc av1 obu m4v mpegvideo vc1 vc1test cavsvideo avs2 avs3 dirac dnxhd ipu
  yuv4mpegpipe rawvideo bitpacked
  aac ac3 eac3 ac4 mp3 wav flac dts loas amr webvtt`);

/** Further films that only files hold; the last four are texts, which are refused by a sentence of their own. */
export const FILMS: readonly string[] = list(`
  3dostr 4xm amv anm argo_cvg bethsoftvid bfi bink c93 cdxl cine derf dfa dsicin dxa ea ea_cdata film_cpk filmstrip fits
  flic frm hnm idcin iff ingenient ipmovie iv8 ivr jv kux lmlm4 lvf lxf mgsts mm mods moflex mtv mv mvi nc nuv paf
  pmp pp_bnk psxstr r3d redspark rl2 roq rpl sdr2 ser sga siff simbiosis_imx smk smush sol svag thp tiertexseq tmv txd ty
  v210 v210x vividas vivo vmd wc3movie wsvqa xmv yop
  aiff ape caf mlp sox tak truehd tta voc w64 wv
  tty bintext xbin idf`);

/** Playlists over HTTP, whose segments are fetched from wherever they say, yet over HTTP only. */
export const PLAYLISTS: readonly string[] = ["hls", "dash"];

/** HTTP with all that lies beneath; `crypto` and `data` are for the keys of encrypted segments. */
export const HTTP: readonly string[] = ["http", "https", "httpproxy", "tls", "tcp", "crypto", "data"];

/**
 * ffmpeg's and ffprobe's options for a reach, of which each is left to the user's own where those name it. A format that
 * the user forces by `-f` is no choice of the far end's.
 */
export function reachOptions({ protocols, formats }: Reach, users: readonly string[]): string[] {
  const forced = users[users.lastIndexOf("-f") + 1];
  const all = users.includes("-f") && forced !== undefined ? [...formats, forced] : formats;
  return [
    ...(users.includes("-protocol_whitelist") ? [] : ["-protocol_whitelist", protocols.join(",")]),
    ...(users.includes("-format_whitelist") ? [] : ["-format_whitelist", all.join(",")]),
  ];
}
