/**
 * What is a secret by the name it bears, in addresses, options, headers and keys. The one list: masking, logs and `validate` go by it.
 */

/** Words of a name that make its value a secret, or part of a login. */
const WORDS = new Set(
  "pass passwd passwort password passphrase pswd psw pwd pw psk pin otp user username usr login account token tok auth authorization authentication oauth bearer key secret sig sign signature hmac hash md5 sha sha1 sha256 digest nonce salt credential credentials cred creds streamid jwt session sessionid sid ticket hdnts hdnea hdntl seed nkey cookie cookies".split(
    " ",
  ),
);
/** Names that are ordinary elsewhere, and in addresses hold a signature or a number that opens a door. */
const OF_ADDRESSES = new Set(["code", "policy", "st"]);
/** Of names that are written in one word. */
const PARTS =
  /passw|passphrase|(?:user|login|my|auth|rtsp|cam|stream|admin|web)pass?$|pwd|token|secret|auth(?!or)|login|session|signature|credential|cookie|hmac|jwt|ticket|nkey|hash|streamid|username|(?:access|api|auth|crypto|decryption|encryption|private|secret|shared|stream|session|signing|sign|pub|publish|play|view|master|client|server|app|license|account|pair|hmac|aes|drm|sub|subscription|storage|function)key/;
/** Who somebody is: hidden where it stands, but no secret wherever the word comes. */
const WHO = /^(?:user|username|usr|login|loginuse|loginuser|account|rtspuser|authuser|adminuser)$/;

/** `accessToken`, `access_token`, `X-Access-Token` and `accesstoken2` as words in small letters. */
const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);

/** Whether the value of a parameter, header or key of this name is not to be shown. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name.slice(0, MAX_NAME_CHARACTERS));
  return PARTS.test(words.join("")) || words.some((word) => WORDS.has(word) || WORDS.has(word.replace(/\d+$/, "")));
}
const MAX_NAME_CHARACTERS = 200;

/** The same for parameters of addresses. */
export const isSecretParameter = (name: string): boolean => OF_ADDRESSES.has(name.toLowerCase()) || isSecretName(name);

/** Whether it names somebody, or is too common a word to be hidden wherever it comes. */
export const isWho = (name: string): boolean => WHO.test(wordsOf(name).join(""));

/** Keys of configurations and log fields that name files, not what is in them. */
const OF_FILES = /(?:file|path|folder|dir)$/i;

/** True for keys of data whose value is never shown, e.g. `password`. */
export const isSecretKey = (key: string): boolean => key !== "key" && !OF_FILES.test(key) && isSecretName(key);

/** Parameters of addresses that say which picture, and how: shown. Others are, where their value is a small number or a plain word. */
export const OPEN_PARAMETERS = new Set(
  "channel ch chn channelid stream streamtype streamno streamprofile profile profileid subtype type size width height w h res resolution fps framerate rate quality q compression camera cam cameraid codec videocodec audio video format fmt mode transport proto protocol timeout listen localaddr localport pkt_size fifo_size buffer_size ttl reuse sources block latency rcvlatency peerlatency tlpktdrop maxbw overrun_nonfatal connect_timeout unicast multicast rotation bitrate gop lang version v start end starttime endtime duration date expires exp action cmd command page index idx x-amz-date x-amz-algorithm x-amz-expires x-amz-signedheaders x-amz-content-sha256".split(
    " ",
  ),
);
/** Values that tell nothing. */
export const OPEN_VALUE =
  /^(?:\d{0,4}|\d{1,5}x\d{1,5}|[a-z]{1,3}|true|false|auto|none|h26[45]|hevc|mjpe?g|jpe?g|main|sub|main[-_]?stream|sub[-_]?stream|caller|listener|rendezvous|live|file|\d+(?:\.\d+){3})$/i;

/** Options of ffmpeg that say how to read, and hold no secret: shown. The value of any other is not. */
export const OPEN_OPTIONS = new Set(
  "ss sseof t to itsoffset itsscale stream_loop readrate readrate_initial_burst re c codec vcodec f hwaccel hwaccel_device hwaccel_output_format init_hw_device filter_hw_device vaapi_device qsv_device thread_queue_size autorotate noautorotate r s isync an sn dn vn copyts accurate_seek noaccurate_seek hide_banner nostdin nostats loglevel v threads thread_type pix_fmt pixel_format video_size framerate input_format list_formats standard channel ts timestamps sample_rate channels analyzeduration probesize formatprobesize max_probe_packets fpsprobesize fflags avioflags flags flags2 err_detect strict max_delay rtbufsize use_wallclock_as_timestamps skip_initial_bytes correct_ts_overflow seek2any max_ts_probe start_number start_number_range pattern_type loop safe ignore_loop ignore_editlist advanced_editlist discard skip_frame skip_loop_filter skip_idct lowres ec idct apply_cropping rtsp_transport rtsp_flags allowed_media_types min_port max_port listen_timeout stimeout timeout rw_timeout reorder_queue_size buffer_size pkt_size fifo_size overrun_nonfatal reuse ttl localaddr localport local_addr local_port tcp_nodelay recv_buffer_size send_buffer_size listen rtmp_live rtmp_buffer rtmp_flashver rtmp_swfsize reconnect reconnect_at_eof reconnect_streamed reconnect_on_network_error reconnect_on_http_error reconnect_delay_max reconnect_max_retries reconnect_delay_total_max respect_retry_after seekable multiple_requests icy http_persistent http_multiple http_seekable chunked_post method request_size initial_request_size content_type mime_type offset end_offset live_start_index prefer_x_start max_reload m3u8_hold_counters allowed_extensions allowed_segment_extensions extension_picky seg_max_retry protocol_whitelist protocol_blacklist format_whitelist codec_whitelist ca_file cert_file key_file cafile cert tls_verify verify verifyhost resync_size fix_teletext_pts scan_all_pmts skip_unknown_pmt merge_pmt_versions skip_changes skip_clear mode latency rcvlatency peerlatency tlpktdrop connect_timeout maxbw inputbw oheadbw payload_size pbkeylen enforced_encryption snddropdelay linger ffs ipttl iptos mss transtype messageapi tsbpd nakreport lossmaxttl minversion sndbuf rcvbuf send_buffer recv_buffer smoother transport dump_separator bsf export_side_data vsync fps_mode draw_mouse show_region grab_x grab_y".split(
    " ",
  ),
);
/** Those that take no value. */
export const FLAG_OPTIONS = new Set(
  "re an sn dn vn copyts accurate_seek noaccurate_seek autorotate noautorotate hide_banner nostdin nostats".split(" "),
);

/** Headers that are no secrets. */
export const OPEN_HEADERS = /^(?:accept|host|origin|range|content|connection|cache-control)/i;

/** Words that stand in our own sentences: as a password each is hidden where it stands, not wherever the word comes. */
export const COMMON = new Set(
  "admin administrator root user users guest viewer operator camera cameras stream streams live video main test demo default public local localhost password passwort pass token secret none true false null undefined rtsp rtmp http https nats onvif media channel source sources model frame frames picture pictures server servers name this that with from have cannot reached failed name error file film".split(
    " ",
  ),
);
