/** Which relevance is drawn, default first. */
export const OVERLAY_SHOWS = ["magnitude", "signed", "positive"] as const;
export type OverlayShow = (typeof OVERLAY_SHOWS)[number];

/** Colours of the heat, default first. */
export const COLORMAP_NAMES = ["inferno", "viridis", "turbo", "grey"] as const;
export type ColormapName = (typeof COLORMAP_NAMES)[number];
