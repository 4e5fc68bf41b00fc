"""Print E2's registered comparisons: mixup minus ERM, paired by training set.

    python docs/evidence/e2.py docs/evidence/e2

Reads FOLDER/epsilon-N/PART/adversarial.json and FOLDER/between/PART/between.json.
"""

import sys
from pathlib import Path

import numpy as np
from paired import Pairs, compare, parts

SETTINGS = ("no attack", "white box, FGSM", "white box, I-FGSM", "white box, PGD")


def top_1(found: list[dict], setting: str) -> np.ndarray:
    """Return the top-1 errors of ERM and of mixup in a setting, (2, parts)."""
    return np.array([[of_method[0][0] for of_method in errors[setting].values()] for errors in found]).T


def attacks(folder: Path) -> tuple[Pairs, Pairs]:
    """Return what FGSM adds to the clean error, and what I-FGSM and PGD add to FGSM's, in points, at each epsilon."""
    primary, secondary = {}, {}
    for epsilon in (1, 2, 4, 8):
        found = [content["errors"] for content in parts(folder / f"epsilon-{epsilon}", "adversarial.json")]
        clean, fast, iterated, random = (top_1(found, setting) for setting in SETTINGS)
        primary[f"epsilon {epsilon}, FGSM - clean"] = fast - clean
        secondary |= {f"epsilon {epsilon}, clean": clean, f"epsilon {epsilon}, FGSM": fast}
        secondary |= {
            f"epsilon {epsilon}, I-FGSM - FGSM": iterated - fast,
            f"epsilon {epsilon}, PGD - FGSM": random - fast,
        }
    return primary, secondary


def between(folder: Path) -> tuple[Pairs, Pairs]:
    """Return figure 2's means over lambda: misses in per cent, gradients over margins; then the gradients alone."""
    found = [list(content["curves"].values()) for content in parts(folder / "between", "between.json")]

    def mean(name: str) -> np.ndarray:
        return np.array([[np.mean(curves[name]) for curves in part] for part in found]).T

    norm, margin = mean("gradient_norm"), mean("margin")
    return {"miss rate": mean("miss"), "gradient norm over margin": norm / margin}, {"gradient norm": norm}


if __name__ == "__main__":
    for family in (attacks, between):
        compare(*family(Path(sys.argv[1])))
