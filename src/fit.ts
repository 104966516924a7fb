/** How a picture of another shape is fitted into a model's input. */
export const FITS = ["stretch", "crop", "letterbox"] as const;
export type Fit = (typeof FITS)[number];

/** Filters of a resize, as Pillow has them. */
export const INTERPOLATIONS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const;
export type Interpolation = (typeof INTERPOLATIONS)[number];

/**
 * Where a centre crop begins when the rest is odd: `even` takes the even one of both pixels, as torchvision and timm do,
 * `down` the first, as transformers and Keras do.
 */
export const CROP_ROUNDINGS = ["even", "down"] as const;
export type CropRounding = (typeof CROP_ROUNDINGS)[number];

/** How pixels of another size are computed. */
export interface Resampling {
  interpolation: Interpolation;
  /** Whether the filter grows as the picture shrinks, so that no pixel is left out. */
  antialias: boolean;
}

/** What a model wants to see of a frame. */
export interface ModelView {
  inputWidth: number;
  inputHeight: number;
  fit: Fit;
  /**
   * The size that a picture is first resized to, as `fit` says: `stretch` to it, `crop` so that it covers it, `letterbox`
   * so that it lies in it. The input is then cut from the middle, or filled up around it. Default: the input's own size.
   */
  resize?: { width: number; height: number };
  /** Default `even`. */
  cropRounding?: CropRounding;
  /** Default `RESAMPLING`. */
  resampling?: Resampling;
  /** RGB of what lies around a picture in the model's input, 0..255. Default `GREY`. */
  fill?: readonly [number, number, number];
}

/** Unless a model's card says otherwise. */
export const RESAMPLING: Resampling = { interpolation: "bicubic", antialias: true };
/** Mid grey: about zero once a model's mean is subtracted. */
export const GREY = [128, 128, 128] as const;

/** The view alone of what has more to it. */
export const viewOf = ({
  inputWidth,
  inputHeight,
  fit,
  resize,
  cropRounding,
  resampling,
  fill,
}: ModelView): ModelView => ({
  ...{ inputWidth, inputHeight, fit, resize, cropRounding, resampling, fill },
});
