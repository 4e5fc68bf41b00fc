"""The command `predict`: write the defects of wafer maps, by a trained run, to a CSV."""

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from experiments.predict.lines import check_output, tell, write_csv
from experiments.wafer.decisions import DEFAULT_RULE, apply_rule, probabilities, rules_for
from experiments.wafer.files import SUFFIXES, list_maps, read_map, read_maps
from experiments.wafer.fit import load_wafer_network
from experiments.wafer.maps import VALUES, resize_map
from experiments.wafer.patterns import NORMAL
from experiments.wafer.run import NAME, read_run
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)


def predict(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    maps: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MAPS")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("defects.csv"),
    rule: str = DEFAULT_RULE,
    seed: int = 0,
) -> None:
    """Write a CSV with the name of each map, its set of defects, the probability of each, and why there are none.

    Args:
        run: Folder of a trained row, such as runs/wafer/train-folder/network.
        maps: Folder of .npy and .png files, one map each, or of .npz archives (arr_0), or one such archive.
        output: The CSV to write; an existing one is replaced when the new one is complete.
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
    check_output(output)
    names, arrays, bad = read_all(maps, config.data.size)
    network = load_wafer_network(config, defects, run)
    probability = probabilities(network.logits(arrays)[seed], config.composing.head, none=config.none_class)
    chosen = apply_rule(rule, probability, content["rules"][seed])
    lines = []
    for name, bits, shares in zip(names, chosen, probability, strict=True):
        found = [defect for defect, bit in zip(defects, bits, strict=True) if bit]
        lines.append([name, "+".join(found) or NORMAL, *(f"{share:.4f}" for share in shares), ""])
    lines += [[name, *[""] * (len(defects) + 1), reason] for name, reason in bad]
    tell(output, *write_csv(output, ["map", "defects", *defects, "error"], lines), "maps")


def read_all(path: Path, size: int) -> tuple[list[str], np.ndarray, list[tuple[str, str]]]:
    """Return the names and the maps, resized, of a folder or an archive, and which cannot be read, with the reasons.

    Raises ValueError where there are none.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; it should be a folder of maps, or a .npz.")
    archives = [path] if path.is_file() else sorted(path.glob("*.npz"))
    names, maps, bad = [], [], []
    for archive in archives:
        found = read_maps(archive)
        names += [f"{archive.name}:{index}" for index in range(len(found))]
        maps += [resize_map(each, size) for each in found]
    for file in progress([] if path.is_file() else list_maps(path), f"reading {path.name}"):
        try:
            maps.append(resize_map(read_map(file), size))
            names.append(file.name)
        except ValueError as error:
            bad.append((file.name, reason_of(error)))
    if not maps and bad:
        raise ValueError(f"none of the {len(bad)} maps in {path} can be read; the first: {bad[0][1]}")
    if not maps:
        raise ValueError(f"{path} holds no maps; they are expected as {', '.join(SUFFIXES)} or .npz files.")
    found = np.stack(maps)
    if missing := [value for value in (1, 2) if not (found == value).any()]:  # as in maps of 0 and 1
        log.warning("%s: no map holds a %d; %s", path.name, missing[0], VALUES)
    return names, found, bad
