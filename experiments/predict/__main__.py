"""Predict with a trained network: images, rows of a table, or wafer maps to a CSV.

    python -m experiments.predict runs/cifar/small-mixup-folder_photos new/ -o predictions.csv   # images
    python -m experiments.predict runs/tabular/paper-csv-mine-target-kind new.csv                # rows of a table
    python -m experiments.predict runs/wafer/train-npz/network maps/                             # wafer maps

RUN, the folder of a finished run, comes first; its kind is read from it, and `RUN --help` lists its options.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from experiments.commands.errors import call, one_line_errors
from experiments.commands.help import asks
from experiments.commands.running import cache_compilations
from experiments.predict.images import predict_images

KINDS = ("config.json", "model.json", "tabular.json", "wafer.json")
"""What the folder of a run holds: of images, their exports, tables, wafer maps."""


def main() -> None:
    """Find out of which kind the run is, and call what predicts that kind."""
    words = sys.argv[1:]
    if words and words[0].startswith("-") and not asks(words):
        raise ValueError(f"RUN, the folder of a run, comes first, got {words[0]}.")
    kind = kind_of(Path(words[0])) if words and not words[0].startswith("-") else KINDS[0]
    cache_compilations()
    call(command_of(kind), prog="python -m experiments.predict")


def command_of(kind: str) -> Callable[..., None]:
    """Return the command that predicts with runs of a kind; what it needs is imported for it alone."""
    if kind == "tabular.json":
        from experiments.predict.tables import predict_table

        return predict_table
    if kind == "wafer.json":
        from experiments.wafer.predict import predict

        return predict
    return predict_images


def kind_of(folder: Path) -> str:
    """Return which of `KINDS` a folder holds; raises ValueError, FileNotFoundError for other folders."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; RUN is the folder of a finished run, such as runs/cifar/...")
    found = [name for name in KINDS if (folder / name).is_file()]
    if found:
        return found[0]
    within = sorted(path.parent for name in KINDS for path in folder.glob(f"*/{name}"))
    hint = f"; runs are in it: {', '.join(map(str, within[:3]))}{', ...' if len(within) > 3 else ''}" if within else ""
    raise ValueError(f"{folder} is not the folder of a run (it has none of {', '.join(KINDS)}){hint}.")


if __name__ == "__main__":
    with one_line_errors():
        main()
