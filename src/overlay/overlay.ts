import type { FrameLayout } from "../frame.js";
import type { ColormapName, OverlayShow } from "./names.js";

export interface OverlayStyle {
  show: OverlayShow;
  colormap: ColormapName;
  /** 0..1, at full relevance. */
  opacity: number;
  /** JPEG quality, 1..100. */
  quality: number;
}

export interface OverlayRequest {
  memory: SharedArrayBuffer;
  layout: FrameLayout;
  /**
   * 8-bit heatmap at model-input resolution, 128 = zero; null draws no heat, only the caption and the border of a
   * watched region.
   */
  heatmap: Uint8Array | null;
  style: OverlayStyle;
  /** Drawn on the picture: what was decided, and how surely (0..1). */
  caption: { label: string; probability: number };
  /** Which pictures to encode. */
  want: { overlay: boolean; original: boolean; heatmap: boolean };
}

export interface OverlayResult {
  /** JPEG of the whole frame with heat and caption. */
  overlay?: Uint8Array;
  /** JPEG of the whole frame as decoded. */
  original?: Uint8Array;
  /** 8-bit grey PNG at model-input resolution. */
  heatmap?: Uint8Array;
  /** Wall milliseconds in the overlay worker. */
  milliseconds: number;
}

/** Draws and encodes off the event loop. Several requests may be in flight; each resolves on its own. */
export interface OverlayRenderer {
  render(request: OverlayRequest): Promise<OverlayResult>;
  close(): Promise<void>;
}
