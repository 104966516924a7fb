"""Reads colours that bench/colormaps.mjs hands over and prints a table: distances are of CAM02-UCS (Luo, Cui and Li 2006), dichromats are
simulated as Machado, Oliveira and Fernandes 2009 do at full severity."""
import json, sys
import numpy as np
from colorspacious import cspace_convert

SEEN = {"normal": None, "protan": "protanomaly", "deutan": "deuteranomaly", "tritan": "tritanomaly"}


def ucs(rgb, by):
    """0..255 sRGB as an observer sees it -> J'a'b'"""
    rgb = np.asarray(rgb, float) / 255
    if SEEN[by]:
        space = {"name": "sRGB1+CVD", "cvd_type": SEEN[by], "severity": 100}
        rgb = np.clip(cspace_convert(rgb, space, "sRGB1"), 0, 1)
    return cspace_convert(rgb, "sRGB1", "CAM02-UCS")


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1)


def main():
    given = json.load(sys.stdin)
    print("| colormap | uneven | lightness | least step: " + " / ".join(SEEN) + " | over pictures: " + " / ".join(SEEN) + " |\n|---|---|---|---|---|")
    for name, each in given["sequential"].items():
        seen = {by: ucs(each["colours"], by) for by in SEEN}
        steps = {by: distance(v[1:], v[:-1]) for by, v in seen.items()}
        rises = np.diff(seen["normal"][:, 0])
        lightness = "rises" if (rises > 0).all() else f"falls in {np.mean(rises < 0):.0%} of the steps"
        over = [np.percentile(distance(ucs(each["over"], by), ucs(given["pictures"], by)), 10) for by in SEEN]
        normal = steps["normal"]
        print(f"| {name} | {normal.std() / normal.mean():.2f} | {lightness} | {' / '.join(f'{steps[by].min():.2f}' for by in SEEN)} | {' / '.join(f'{v:.1f}' for v in over)} |")
    print("\n| raises against lowers | " + " | ".join(SEEN) + " |\n|---|" + "---|" * len(SEEN))
    for strength, (raises, lowers) in given["signed"].items():
        print(f"| strength {strength} | " + " | ".join(f"{distance(ucs(raises, by), ucs(lowers, by)):.1f}" for by in SEEN) + " |")


if __name__ == "__main__":
    main()
