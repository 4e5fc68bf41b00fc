"""Print E4's registered comparisons: the recipe minus each control, exact match of mixed maps, paired by seed.

    python docs/evidence/e4.py docs/evidence/e4

Reads FOLDER/{low,high}/{plain,mixup,any,best,reference}/wafer.json. Then, without a test, false alarms and exact match
of maps with one defect, and exact match by the number of defects, as means over the seeds.
"""

import json
import sys
from pathlib import Path

import numpy as np
from paired import compare

CONTROLS = ("plain", "mixup", "any", "reference")
RULE = "thresholds"
"""A threshold a class, chosen on held-out maps: what `predict` takes."""

if __name__ == "__main__":
    files = {
        (noise, row): json.loads((Path(sys.argv[1]) / noise / row / "wafer.json").read_text())["measured"]
        for noise in ("low", "high")
        for row in (*CONTROLS, "best")
    }

    def of(noise: str, row: str, metric: str, maps: str) -> np.ndarray:
        """Return a metric of every seed in per cent."""
        return 100 * np.array([measured[RULE][metric][maps] for measured in files[noise, row]])

    def pairs(metric: str, maps: str) -> dict[str, np.ndarray]:
        """Return each control's metric and the recipe's, (2, seeds), at either noise."""
        return {
            f"{noise} noise, {metric} of {maps}, {row}": np.array([of(noise, row, metric, maps), best])
            for noise in ("low", "high")
            for best in [of(noise, "best", metric, maps)]
            for row in CONTROLS
        }

    compare(pairs("exact_match", "mixed"), pairs("false_alarms", "0") | pairs("exact_match", "1"), ("it", "recipe"))
    for noise, row in files:
        by_number = " ".join(f"{of(noise, row, 'exact_match', number).mean():.1f}" for number in "1234")
        print(f"{noise} noise, {row}, exact match of maps with 1, 2, 3, 4 defects: {by_number}")
