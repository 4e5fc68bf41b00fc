"""Print E3's registered comparisons: mixup, CutMix and both, each minus nothing, paired by training set.

    python docs/evidence/e3.py docs/evidence/e3

Reads FOLDER/small-{none,mixup,cutmix,both}/PART/result.json.
"""

import sys
from pathlib import Path

import numpy as np
from paired import READ, compare, parts

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = {name: parts(folder / f"small-{name}", "result.json") for name in ("none", "mixup", "cutmix", "both")}
    pairs = {
        f"{measure}, {name}": np.array([[read(result)[0] for result in found[which]] for which in ("none", name)])
        for measure, read in READ.items()
        for name in ("mixup", "cutmix", "both")
    }
    primary = {name: pair for name, pair in pairs.items() if name.startswith("test error")}
    compare(primary, {name: pair for name, pair in pairs.items() if name not in primary}, ("nothing", "mixed"))
