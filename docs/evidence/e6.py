"""Print the numbers of figure 5 over time, and mixup minus ERM after the last iteration, paired by seed (E6).

    python docs/evidence/e6.py docs/evidence/e6/gan.json

The first part is in the form of docs/results.json: mean and half of the 95 % interval (Student's t) over seeds.
"""

import json
import sys
from pathlib import Path

import numpy as np
from paired import compare

from mixup_jax.report.statistics import summarise


def main(path: Path) -> None:
    """Print both parts."""
    content = json.loads(path.read_text())
    ends = {}
    for name, methods in content["quality"].items():
        for index, iterations in enumerate(content["iterations"]):
            for method, numbers in methods.items():
                values = [summarise(over_time[index]) for over_time in numbers.values()]
                row = [[f"{each.mean:.1f}", f"{each.half_width:.1f}"] for each in values]
                print(f"{name}, {method}, {iterations:,} iterations: {row}")
        erm, *others = methods
        for method in others:
            for key in methods[erm]:
                ends[f"{name}, {method}, {key}"] = np.array([methods[erm][key][-1], methods[method][key][-1]])
    compare(ends)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
