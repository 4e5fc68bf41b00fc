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
from paired import compare


def last_error(run: Path) -> float:
    """Return the last test error of a run of one seed, in per cent."""
    return json.loads((run / "result.json").read_text())["test_error"]["last"][0]


def valid_error(run: Path) -> float:
    """Return the error of a run of one seed on its validation set after the last step, in per cent."""
    return json.loads((run / "result.json").read_text())["valid_error"][0]


def compare_arms(folders: list[Path]) -> None:
    """Print two comparisons for each folder."""
    pairs = {}
    for folder in folders:
        scratch, *tuned = (
            [last_error(folder / arm / str(part)) for part in range(5)] for arm in ("scratch", "full", "head")
        )
        pairs |= {
            f"{folder.name} images, {arm}": np.array([scratch, errors])
            for arm, errors in zip(("full", "head"), tuned, strict=True)
        }
    compare(pairs, names=("scratch", "fine-tuned"))


if __name__ == "__main__":
    if sys.argv[1] == "best":
        print(min(Path(sys.argv[2]).iterdir(), key=valid_error).name)
    else:
        compare_arms([Path(each) for each in sys.argv[2:]])
