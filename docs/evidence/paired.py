"""Print the registered comparison of a folder of runs: mixup minus ERM, paired by training set.

    python docs/evidence/paired.py docs/evidence/e0 small

Reads FOLDER/DATASET/NAME-{erm,mixup}/PART/result.json. For each data set: the mean difference of the last test errors
in points, half of its 95 % interval (Student's t), the number of pairs, and the p-value with Holm's correction over the
data sets; then, without a test, the mean training error on the clean subset and the mean calibration error.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2]))

from mixup_jax.report.statistics import holm


def values(folder: Path, read) -> np.ndarray:
    """Return a number of each part, in their order."""
    parts = sorted(folder.iterdir(), key=lambda part: int(part.name))
    return np.array([read(json.loads((part / "result.json").read_text()))[0] for part in parts])


def main(folder: Path, name: str) -> None:
    """Print a line for each data set."""
    found = {}
    for data in sorted(path for path in folder.iterdir() if path.is_dir()):
        erm, mixup = (data / f"{name}-{method}" for method in ("erm", "mixup"))
        last = [values(each, lambda result: result["test_error"]["last"]) for each in (erm, mixup)]
        other = [
            [values(each, lambda result, key=key: result[key]).mean() for each in (erm, mixup)]
            for key in ("train_subset_error", "test_ece")
        ]
        found[data.name] = *last, stats.ttest_rel(last[1], last[0]), other
    corrected = dict(zip(found, holm([test.pvalue for _, _, test, _ in found.values()]), strict=True))
    for data, (erm, mixup, test, ((train_erm, train_mixup), (ece_erm, ece_mixup))) in found.items():
        low, high = test.confidence_interval()
        print(
            f"{data}: ERM {erm.mean():.2f}, mixup {mixup.mean():.2f}; difference {(mixup - erm).mean():+.2f} "
            f"± {(high - low) / 2:.2f} points, n = {len(erm)}, p = {corrected[data]:.2g} (Holm); training error "
            f"{train_erm:.2f} and {train_mixup:.2f}, calibration error {ece_erm:.2f} and {ece_mixup:.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
