"""The command `predict`: write the defects of wafer maps, by a trained run, to a CSV."""

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from experiments.wafer.decisions import DEFAULT_RULE, apply_rule, probabilities, rules_for
from experiments.wafer.files import SUFFIXES, list_maps, read_map, read_maps
from experiments.wafer.fit import load_wafer_network
from experiments.wafer.maps import resize_map
from experiments.wafer.patterns import NORMAL
from experiments.wafer.run import NAME, read_run
from mixup_jax.runtime.progress import progress


def predict(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    maps: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MAPS")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("defects.csv"),
    rule: str = DEFAULT_RULE,
    seed: int = 0,
) -> None:
    """Write a CSV with the name of each map, its set of defects, and the probability of each defect.

    Args:
        run: Folder of a trained row, such as runs/wafer/train-folder/network.
        maps: Folder of .npy and .png files, one map each, or of .npz archives (arr_0), or one such archive.
        output: The CSV to write; an existing one is replaced.
        rule: The decision rule: argmax, gap, threshold, thresholds (one for each class), or pattern.
        seed: Index of the network in the run, from 0.
    """
    config, content = read_run(run)
    if "rules" not in content:
        raise ValueError(f"{run / NAME} holds no decision rules: the training has not ended; finish it first.")
    defects = tuple(content["defects"])
    if rule not in rules_for(defects):
        raise ValueError(f"rule must be one of {', '.join(rules_for(defects))}, got {rule!r}.")
    if not 0 <= seed < config.seeds:
        raise ValueError(f"seed must be between 0 and {config.seeds - 1}, got {seed}.")
    names, arrays = read_all(maps, config.data.size)
    network = load_wafer_network(config, defects, run)
    probability = probabilities(network.logits(arrays)[seed], config.composing.head)
    chosen = apply_rule(rule, probability, content["rules"][seed])
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["map", "defects", *defects])
        for name, bits, shares in zip(names, chosen, probability, strict=True):
            found = [defect for defect, bit in zip(defects, bits, strict=True) if bit]
            writer.writerow([name, "+".join(found) or NORMAL, *(f"{share:.4f}" for share in shares)])
    print(f"{output}: {len(names)} maps")


def read_all(path: Path, size: int) -> tuple[list[str], np.ndarray]:
    """Return the names and the maps, resized, of a folder or an archive; raises ValueError where there is none."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; it should be a folder of maps, or a .npz.")
    archives = [path] if path.is_file() else sorted(path.glob("*.npz"))
    names, maps = [], []
    for archive in archives:
        found = read_maps(archive)
        names += [f"{archive.name}:{index}" for index in range(len(found))]
        maps += [resize_map(each, size) for each in found]
    for file in progress([] if path.is_file() else list_maps(path), f"reading {path.name}"):
        names.append(file.name)
        maps.append(resize_map(read_map(file), size))
    if not maps:
        raise ValueError(f"{path} holds no maps; they are expected as {', '.join(SUFFIXES)} or .npz files.")
    return names, np.stack(maps)
