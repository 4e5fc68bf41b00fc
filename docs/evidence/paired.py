"""Print the registered comparison of a folder of runs: mixup minus ERM, paired by training set.

    python docs/evidence/paired.py docs/evidence/e0 small
    python docs/evidence/paired.py docs/evidence preact18 e1    # the one data set is the folder e1

Reads FOLDER/DATASET/NAME-{erm,mixup}/PART/result.json. For each data set the last test error, with Holm's correction
over the data sets; then, without a test, the training error on the clean subset and the calibration error.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from mixup_jax.report.statistics import holm, summarise

Pairs = dict[str, np.ndarray]
"""Name of a comparison -> values of ERM and of mixup, (2, pairs)."""
READ = {
    "test error": lambda result: result["test_error"]["last"],
    "training error": lambda result: result["train_subset_error"],
    "calibration error": lambda result: result["test_ece"],
}


def compare(primary: Pairs, secondary: Pairs | None = None) -> None:
    """Print a line for each comparison.

    That is the means of ERM and of mixup, mixup minus ERM, half of the 95 % interval of the difference (Student's t),
    the number of pairs and, of the primary ones, the p-value with Holm's correction over them.
    """
    every = primary | (secondary or {})
    differences = {name: summarise(mixup - erm) for name, (erm, mixup) in every.items()}
    corrected = dict(zip(primary, holm([differences[name].p or 0.0 for name in primary]), strict=True))
    for name, (erm, mixup) in every.items():
        found, p = differences[name], f", p = {corrected[name]:.2g} (Holm)" if name in corrected else ""
        print(
            f"{name}: ERM {erm.mean():.2f}, mixup {mixup.mean():.2f}; difference {found.mean:+.2f} "
            f"± {found.half_width:.2f}, n = {found.n}{p}"
        )


def parts(folder: Path, file: str) -> list[dict]:
    """Read a file of each part, in their order."""
    return [json.loads((part / file).read_text()) for part in sorted(folder.iterdir(), key=lambda part: int(part.name))]


def main(folder: Path, name: str, *datasets: str) -> None:
    """Compare the runs of each data set."""
    names = datasets or sorted(path.name for path in folder.iterdir() if path.is_dir())
    runs = {
        data: [parts(folder / data / f"{name}-{method}", "result.json") for method in ("erm", "mixup")]
        for data in names
    }
    values = {
        (data, measure): np.array([[read(result)[0] for result in results] for results in both])
        for data, both in runs.items()
        for measure, read in READ.items()
    }
    primary = {f"{data}, {measure}": each for (data, measure), each in values.items() if measure == "test error"}
    compare(primary, {f"{data}, {measure}": each for (data, measure), each in values.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
