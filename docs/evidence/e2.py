"""Print E2's registered comparisons: mixup minus ERM, paired by training set.

    python docs/evidence/e2.py docs/evidence/e2

Reads FOLDER/epsilon-N/PART/adversarial.json and FOLDER/between/PART/between.json. A line each: the means of ERM and of
mixup, the mean difference, half of its 95 % interval (Student's t), the number of pairs, and the p-value with Holm's
correction over the primary comparisons; secondary ones are without.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2]))

from mixup_jax.report.statistics import holm

Pairs = dict[str, np.ndarray]
"""Name of a comparison -> values of ERM and of mixup, (2, parts)."""


def contents(folder: Path, name: str) -> list[dict]:
    """Read a file of each part, in their order."""
    return [json.loads((part / name).read_text()) for part in sorted(folder.iterdir(), key=lambda part: int(part.name))]


def attacks(folder: Path) -> tuple[Pairs, Pairs]:
    """Return what FGSM adds to the clean error, and what I-FGSM and PGD add to FGSM's, in points, at each epsilon."""
    primary, secondary = {}, {}
    for epsilon in (1, 2, 4, 8):
        parts = [content["errors"] for content in contents(folder / f"epsilon-{epsilon}", "adversarial.json")]

        def top_1(setting: str, parts: list[dict] = parts) -> np.ndarray:
            return np.array([[of_methods[0][0] for of_methods in errors[setting].values()] for errors in parts]).T

        clean, fast = top_1("no attack"), top_1("white box, FGSM")
        primary[f"epsilon {epsilon}, FGSM - clean"] = fast - clean
        secondary[f"epsilon {epsilon}, clean"], secondary[f"epsilon {epsilon}, FGSM"] = clean, fast
        for name in ("I-FGSM", "PGD"):
            secondary[f"epsilon {epsilon}, {name} - FGSM"] = top_1(f"white box, {name}") - fast
    return primary, secondary


def between(folder: Path) -> tuple[Pairs, Pairs]:
    """Return figure 2's means over lambda: misses in per cent, gradients over margins; then the gradients themselves."""
    parts = [list(content["curves"].values()) for content in contents(folder / "between", "between.json")]

    def mean(name: str) -> np.ndarray:
        return np.array([[np.mean(curves[name]) for curves in part] for part in parts]).T

    norm, margin = mean("gradient_norm"), mean("margin")
    return {"miss rate": mean("miss"), "gradient norm over margin": norm / margin}, {"gradient norm": norm}


def show(primary: Pairs, secondary: Pairs) -> None:
    """Print a family of comparisons."""
    tests = {name: stats.ttest_rel(mixup, erm) for name, (erm, mixup) in (primary | secondary).items()}
    corrected = dict(zip(primary, holm([tests[name].pvalue for name in primary]), strict=True))
    for name, (erm, mixup) in (primary | secondary).items():
        low, high = tests[name].confidence_interval()
        p = f", p = {corrected[name]:.2g} (Holm)" if name in corrected else ""
        print(
            f"{name}: ERM {erm.mean():.2f}, mixup {mixup.mean():.2f}; difference {(mixup - erm).mean():+.2f} "
            f"± {(high - low) / 2:.2f}, n = {len(erm)}{p}"
        )


if __name__ == "__main__":
    for family in (attacks, between):
        show(*family(Path(sys.argv[1])))
