/** JPEG is full-range BT.601; players take an HD film for BT.709 whatever it says. Chroma is halved, so sizes are even. */
export const TO_FILM =
  "scale=in_range=full:out_range=limited:in_color_matrix=bt601:out_color_matrix=bt709,format=yuv420p,pad=ceil(iw/2)*2:ceil(ih/2)*2";

/** What a film made by that filter says of its colours. */
export const FILM_COLOURS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv".split(" ");
