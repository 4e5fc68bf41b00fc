"""Print E2's registered comparisons: mixup minus ERM, paired by training set.

    python docs/evidence/e2.py docs/evidence/e2

Reads FOLDER/epsilon-N/PART/adversarial.json and FOLDER/between/PART/between.json.
"""

import sys
from pathlib import Path

import numpy as np
from paired import Pairs, compare, parts


def attacks(folder: Path) -> tuple[Pairs, Pairs]:
    """Return what FGSM adds to the clean error, and what I-FGSM and PGD add to FGSM's, in points, at each epsilon."""
    primary, secondary = {}, {}
    for epsilon in (1, 2, 4, 8):
        found = [content["errors"] for content in parts(folder / f"epsilon-{epsilon}", "adversarial.json")]

        def top_1(setting: str, found: list[dict] = found) -> np.ndarray:
            return np.array([[of_method[0][0] for of_method in errors[setting].values()] for errors in found]).T

        clean, fast = top_1("no attack"), top_1("white box, FGSM")
        primary[f"epsilon {epsilon}, FGSM - clean"] = fast - clean
        secondary |= {f"epsilon {epsilon}, clean": clean, f"epsilon {epsilon}, FGSM": fast}
        for name in ("I-FGSM", "PGD"):
            secondary[f"epsilon {epsilon}, {name} - FGSM"] = top_1(f"white box, {name}") - fast
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
