"""
The numbers of `evaluate --json` a second time, from the papers' definitions, with numpy and onnxruntime alone.

    python3 independent.py REPORT.json MAPS MODEL.onnx MASKS

Reads the maps that `--maps` wrote, the images that the report names and their masks (PNG of 8 bits, grey or RGB, of the model's input
size), and asks the network itself for the curves. For networks whose input is (v / 255 - 0.5) / 0.25 of RGB, channels first, and whose
output is logits. Prints, by metric, how many values were compared and the largest difference, as JSON.
"""

import json
import os
import re
import struct
import sys
import zlib

import numpy as np
import onnxruntime


def read_png(path):
    """[height, width, channels] uint8; PNG specification, sections 7 and 9."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    assert depth == 8 and colour in (0, 2) and not interlaced, path
    channels = 3 if colour == 2 else 1
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    out = np.zeros((height, width * channels), np.int64)
    for y in range(height):
        kind, line = raw[y, 0], raw[y, 1:].astype(np.int64)
        above = out[y - 1] if y else np.zeros_like(line)
        for x in range(len(line)):
            left = out[y, x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            if kind == 0:
                predicted = 0
            elif kind == 1:
                predicted = left
            elif kind == 2:
                predicted = above[x]
            elif kind == 3:
                predicted = (left + above[x]) // 2
            else:
                p = left + above[x] - corner
                options = [(abs(p - left), 0, left), (abs(p - above[x]), 1, above[x]), (abs(p - corner), 2, corner)]
                predicted = min(options)[2]
            out[y, x] = (line[x] + predicted) & 255
    return out.reshape(height, width, channels).astype(np.uint8)


def mass(r, s):
    """Arras et al. 2022: sum of the positive relevance in the ground truth over the sum of all of it."""
    positive = np.where(r > 0, r, 0)
    return positive[s].sum() / positive.sum() if positive.sum() > 0 else 0.0


def rank(r, s):
    """Arras et al. 2022: |P_topK ∩ GT| / K; mean over every order of pixels that are equal."""
    k = s.sum()
    order = np.argsort(-r, kind="stable")
    last = r[order[k - 1]]
    ties = r == last
    above = r > last
    return (s[above].sum() + (k - above.sum()) * s[ties].mean()) / k


def pointing(r, s):
    """Zhang et al. 2018: whether a pixel of the largest relevance lies in the ground truth."""
    return float(r.max() > 0 and s[r == r.max()].any())


def blurred(image):
    """Gaussian of a sixteenth of the longer side, cut at three deviations, the border repeated."""
    sigma = max(image.shape[:2]) / 16
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    out = image.astype(np.float64)
    for axis in (0, 1):
        padding = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(out, padding, mode="edge")
        out = np.apply_along_axis(lambda v: np.convolve(v, kernel, mode="valid"), axis, padded)
    return np.floor(out + 0.5).astype(np.uint8)


def mean_colour(image):
    colour = np.floor(image.reshape(-1, 3).astype(np.float64).mean(axis=0) + 0.5)
    return np.broadcast_to(colour, image.shape).astype(np.uint8)


class Network:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def probability(self, images, target):
        x = (np.stack(images).astype(np.float32) / 255 - 0.5) / 0.25
        z = self.session.run(None, {self.input: np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0].astype(np.float64)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True))[:, target]


def area(network, start, end, r, target, shares):
    """Petsiuk et al. 2018: the most relevant pixels of `start` become those of `end`; trapezoidal area under the probability."""
    order = np.argsort(-r, kind="stable")
    images = []
    for share in shares:
        image = start.reshape(-1, 3).copy()
        chosen = order[: int(np.floor(share * len(order) + 0.5))]
        image[chosen] = end.reshape(-1, 3)[chosen]
        images.append(image.reshape(start.shape))
    p = network.probability(images, target)
    return sum((p[k] + p[k - 1]) / 2 * (shares[k] - shares[k - 1]) for k in range(1, len(shares)))


def main(report_file, maps, model, masks, labels):
    report = json.load(open(report_file))
    network = Network(model)
    worst = {}

    def compare(metric, ours, mine):
        assert ours is not None and np.isfinite(ours), metric
        count, most = worst.get(metric, (0, 0.0))
        worst[metric] = (count + 1, max(most, abs(ours - mine)))

    several = {c["image"] for k, c in enumerate(report["cases"]) if k and c["image"] == report["cases"][k - 1]["image"]}
    for at, case in enumerate(report["cases"]):
        if case["image"] in several:
            continue
        image = read_png(case["image"])
        name = os.path.splitext(os.path.basename(case["image"]))[0]
        mask_file = os.path.join(masks, f"{name}.png")
        target = labels.index(case["label"])
        to = {"blur": blurred(image), "mean": mean_colour(image)}
        mask = read_png(mask_file)[:, :, 0].reshape(-1).astype(int) if os.path.exists(mask_file) else None
        for method in report["methods"]:
            folder = re.sub(r"[^\w.=-]+", "_", method["name"])
            r = np.load(os.path.join(maps, folder, f"{name}.npy")).reshape(-1).astype(np.float64)
            ours = {metric: values[at] for metric, values in method["values"].items()}
            if mask is not None:
                inside = 2 * mask > mask.max()
                for metric, compute in (("mass", mass), ("rank", rank), ("pointing", pointing)):
                    if metric in ours:
                        compare(metric, ours[metric], compute(r, inside))
            steps = report["settings"]["steps"]
            shares = [(k / steps) ** 2 for k in range(steps + 1)]
            for base, empty in to.items():
                if f"insertion-{base}" in ours:
                    compare(f"insertion-{base}", ours[f"insertion-{base}"], area(network, empty, image, r, target, shares))
                if f"deletion-{base}" in ours:
                    compare(f"deletion-{base}", ours[f"deletion-{base}"], area(network, image, empty, r, target, shares))
    print(json.dumps({metric: {"count": count, "most": most} for metric, (count, most) in worst.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:5], ["ok", "scratch", "dent", "crack", "stain", "hole"])
