import type { Interpolation } from "../../../fit.js";
import type { Fields } from "./look.js";

/** Pillow's numbers of its filters. */
export const INTERPOLATION_CODES: Readonly<Record<number, Interpolation>> = {
  0: "nearest",
  1: "lanczos",
  2: "bilinear",
  3: "bicubic",
  4: "box",
  5: "hamming",
};
const [BILINEAR, BICUBIC] = [2, 3];

const HALF = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const OPENAI = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};
const square = (side: number) => ({ height: side, width: side });
const SHORTER = { default_to_square: false };
const MOBILE_NET = {
  ...HALF,
  ...SHORTER,
  resample: BILINEAR,
  size: { shortest_edge: 256 },
  crop_size: 224,
  do_center_crop: true,
};

/** What an image processor of transformers does where its file says nothing of it, by its name without `ImageProcessor`. */
export const PROCESSORS: Readonly<Record<string, Fields>> = {
  ViT: { ...HALF, resample: BILINEAR, size: square(224) },
  DeiT: { ...HALF, resample: BICUBIC, size: square(256), crop_size: square(224), do_center_crop: true },
  Beit: { ...HALF, resample: BICUBIC, size: square(224), crop_size: square(224) },
  Bit: { ...OPENAI, ...SHORTER, resample: BICUBIC, size: { shortest_edge: 224 }, crop_size: 224, do_center_crop: true },
  CLIP: {
    ...OPENAI,
    ...SHORTER,
    resample: BICUBIC,
    size: { shortest_edge: 224 },
    crop_size: 224,
    do_center_crop: true,
  },
  Siglip: { ...HALF, resample: BICUBIC, size: square(224) },
  ConvNext: { ...HALF, ...SHORTER, resample: BICUBIC, size: { shortest_edge: 384 } },
  EfficientNet: {
    ...{ ...HALF, resample: BICUBIC, size: square(346), crop_size: square(289) },
    ...{ include_top: true, rescale_offset: false },
  },
  MobileNetV1: MOBILE_NET,
  MobileNetV2: MOBILE_NET,
  MobileViT: {
    ...{ ...SHORTER, resample: BICUBIC, size: { shortest_edge: 224 }, crop_size: 256, do_center_crop: true },
    ...{ do_normalize: false, do_flip_channel_order: true },
  },
  Levit: {
    ...IMAGENET,
    ...SHORTER,
    resample: BICUBIC,
    size: { shortest_edge: 224 },
    crop_size: 224,
    do_center_crop: true,
  },
  PoolFormer: {
    ...{ ...IMAGENET, ...SHORTER, resample: BICUBIC, size: { shortest_edge: 224 }, crop_size: 224 },
    ...{ do_center_crop: true, crop_pct: 0.9 },
  },
  Perceiver: { ...IMAGENET, resample: BICUBIC },
  Pvt: { ...IMAGENET, resample: BICUBIC, size: square(224) },
};

/** Older names. */
const ALSO: Readonly<Record<string, string>> = { Deit: "DeiT", LeViT: "Levit", BiT: "Bit", SigLIP: "Siglip" };

/** Of models whose file names no processor. */
const OF_MODEL: Readonly<Record<string, string>> = {
  ...{ vit: "ViT", vit_msn: "ViT", swin: "ViT", swinv2: "ViT", dinat: "ViT", swiftformer: "ViT", deit: "DeiT" },
  ...{
    beit: "Beit",
    "data2vec-vision": "Beit",
    bit: "Bit",
    dinov2: "Bit",
    focalnet: "Bit",
    hiera: "Bit",
    clip: "CLIP",
  },
  ...{ convnext: "ConvNext", convnextv2: "ConvNext", cvt: "ConvNext", resnet: "ConvNext", regnet: "ConvNext" },
  ...{ efficientnet: "EfficientNet", mobilenet_v1: "MobileNetV1", mobilenet_v2: "MobileNetV2", mobilevit: "MobileViT" },
  ...{ mobilevitv2: "MobileViT", levit: "Levit", poolformer: "PoolFormer", perceiver: "Perceiver", pvt: "Pvt" },
  ...{ pvt_v2: "Pvt", siglip: "Siglip" },
};

/** The processor that a file means by its name, or by that of the model; undefined where it is none of those known. */
export function processorOf(written: string | undefined, modelType: string | undefined): string | undefined {
  const bare = written?.replace(/(?:ImageProcessor|FeatureExtractor)(?:Fast|Pil)?$/, "");
  const name = bare === undefined ? OF_MODEL[modelType ?? ""] : (ALSO[bare] ?? bare);
  return name !== undefined && Object.hasOwn(PROCESSORS, name) ? name : undefined;
}
