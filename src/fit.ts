/** How a picture of another shape is fitted into a model's input. */
export const FITS = ["stretch", "crop", "letterbox"] as const;
export type Fit = (typeof FITS)[number];
