"""Choose an arm's learning rate by its pilot runs, and print the registered comparison (docs/log/finetune.md).

    python docs/evidence/finetune.py best runs/finetune/pilots/full
    python docs/evidence/finetune.py compare runs/finetune/100 runs/finetune/250

The first prints the name of the run with the least last error on the validation set. The second reads
FOLDER/ARM/PART/result.json and prints for each folder the mean last test error of each arm, and what full and head
differ from scratch, paired by part: mean and half of the 95 % interval (Student's t), and the p-value with Holm's
correction over all comparisons.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats


def last_error(run: Path) -> float:
    """Return the last test error of a run of one seed, in per cent."""
    return json.loads((run / "result.json").read_text())["test_error"]["last"][0]


def valid_error(run: Path) -> float:
    """Return the error of a run of one seed on its validation set after the last step, in per cent."""
    return json.loads((run / "result.json").read_text())["valid_error"][0]


def compare(folders: list[Path]) -> None:
    """Print two comparisons for each folder."""
    errors = {
        (folder.name, arm): np.array([last_error(folder / arm / str(part)) for part in range(5)])
        for folder in folders
        for arm in ("scratch", "full", "head")
    }
    tests = {key: stats.ttest_rel(found, errors[key[0], "scratch"]) for key, found in errors.items()}
    ordered = sorted((key for key in tests if key[1] != "scratch"), key=lambda key: tests[key].pvalue)
    least = 0.0
    for place, key in enumerate(ordered):
        least = max(least, min(1.0, (len(ordered) - place) * tests[key].pvalue))
        low, high = tests[key].confidence_interval()
        print(
            f"{key[0]} images, {key[1]}: {errors[key].mean():.2f}, scratch {errors[key[0], 'scratch'].mean():.2f}; "
            f"difference {(low + high) / 2:+.2f} ± {(high - low) / 2:.2f} points, n = 5, p = {least:.2g} (Holm)"
        )


if __name__ == "__main__":
    if sys.argv[1] == "best":
        print(min(Path(sys.argv[2]).iterdir(), key=valid_error).name)
    else:
        compare([Path(each) for each in sys.argv[2:]])
