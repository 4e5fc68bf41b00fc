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
"""Name of a comparison -> values of the two that are compared, (2, pairs)."""
READ = {
    "test error": lambda result: result["test_error"]["last"],
    "training error": lambda result: result["train_subset_error"],
    "calibration error": lambda result: result["test_ece"],
}


def compare(primary: Pairs, secondary: Pairs | None = None, names: tuple[str, str] = ("ERM", "mixup")) -> None:
    """Print a line for each comparison of two values a pair; `names` says what they are of.

    That is both means, the second minus the first, half of the 95 % interval of the difference (Student's t), the
    number of pairs and, of the primary ones, the p-value with Holm's correction over them. One pair has no interval.
    """
    every = primary | (secondary or {})
    differences = {name: summarise(second - first) for name, (first, second) in every.items()}
    p_values = {name: p for name in primary if (p := differences[name].p) is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    for name, (first, second) in every.items():
        found, p = differences[name], f", p = {corrected[name]:.2g} (Holm)" if name in corrected else ""
        half = "" if found.half_width is None else f" ± {found.half_width:.2f}"
        means = f"{names[0]} {first.mean():.2f}, {names[1]} {second.mean():.2f}"
        print(f"{name}: {means}; difference {found.mean:+.2f}{half}, n = {found.n}{p}")


def parts(folder: Path, file: str) -> list[dict]:
    """Read a file of each part, in their order."""
    return [json.loads((part / file).read_text()) for part in sorted(folder.iterdir(), key=lambda part: int(part.name))]


def main(folder: Path, name: str, *datasets: str) -> None:
    """Compare the runs of each data set."""
    primary, secondary = {}, {}
    for data in datasets or sorted(path.name for path in folder.iterdir() if path.is_dir()):
        runs = [parts(folder / data / f"{name}-{method}", "result.json") for method in ("erm", "mixup")]
        for measure, read in READ.items():
            family = primary if measure == "test error" else secondary
            family[f"{data}, {measure}"] = np.array([[read(result)[0] for result in results] for results in runs])
    compare(primary, secondary)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
