"""Train and measure one configuration on wafer maps, in a folder of its own; what is done is read again.

The folder of a run: `wafer.json` (configuration, rules, every metric, where it comes from), `metrics.jsonl` (the loss),
`probabilities.npz` (of the test maps, for each seed) and `checkpoints/`.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.config import Model, Optimizer
from mixup_jax.data.npz import read_npz
from mixup_jax.data.wafer_maps import WaferMaps
from mixup_jax.data.wafer_source import WaferSplit
from mixup_jax.evaluation.label_sets import even_weight
from mixup_jax.evaluation.wafer_scores import choose_rules, measure, probabilities
from mixup_jax.json_files import read_object
from mixup_jax.training import record
from mixup_jax.training.provenance import origin
from mixup_jax.training.wafer_config import Composing, WaferConfig, WaferData
from mixup_jax.training.wafer_fit import WaferNetwork, fit_wafer
from mixup_jax.training.wafer_validation import overlaid, validation_maps

Content = dict[str, Any]
NAME = "wafer.json"
PARTS: dict[str, Any] = {"data": WaferData, "model": Model, "composing": Composing, "optimizer": Optimizer}
OVERLAY_SEED = 1_000
"""Of test maps made by overlaying single ones, where the source has no mixed maps."""


def run_wafer(config: WaferConfig, maps: WaferSplit, workdir: Path, *, title: str = "") -> Content:
    """Train, choose the rules on validation maps, measure on test maps; return the content of wafer.json.

    Raises what `fit_wafer` raises, and ValueError for a folder that holds a run of another configuration
    or on other maps. Where nothing was trained yet, because that run was refused, this one takes its place.
    """
    with record.locked(workdir):
        content = _claim(config, maps, workdir)
        if "measured" in content:
            return content
        network = fit_wafer(config, maps.training, workdir, title=title)
        lines = record.read_metrics(workdir, config.steps)  # none where somebody has deleted them
        content |= {"train_loss": lines[-1]["train_loss"]} if lines else {}
        content |= evaluate(network, config, maps, workdir)
        record.write_json(workdir / NAME, content)
    return content


def evaluate(network: WaferNetwork, config: WaferConfig, maps: WaferSplit, workdir: Path) -> Content:
    """Return the rules of each seed and what they measure; leave the probabilities of the test maps in the folder.

    Every set of defects of the validation maps counts the same when rules are chosen: how many maps there are of each
    is an accident, of the overlays above all.
    """
    head, normal = config.composing.head, config.data.normal
    held_out = maps.validation if normal else maps.validation.take(maps.validation.number > 0)
    chosen_on = validation_maps(held_out, config.composing.background)
    tested = tested_maps(maps, normal)
    here = probabilities(network.logits(chosen_on.maps), head)
    there = probabilities(network.logits(tested.maps), head)
    weight = even_weight(chosen_on.label)
    rules = [choose_rules(each, chosen_on.label, empty=normal, weight=weight) for each in here]
    measured = [measure(each, tested.label, rule, tested.defects) for each, rule in zip(there, rules, strict=True)]
    validated = [measure(each, chosen_on.label, rule, tested.defects) for each, rule in zip(here, rules, strict=True)]
    np.savez_compressed(workdir / "probabilities.npz", probability=there.astype(np.float32), label=tested.label)
    digest = record.digest(jax.tree.map(np.asarray, network.state.params))
    made = {"rules": rules, "measured": measured, "validated": validated, "params_digest": digest}
    return made | {"rules_chosen_by": "exact match, the mean over sets of defects"}


def tested_maps(maps: WaferSplit, normal: bool) -> WaferMaps:
    """Return single and mixed test maps, and with `normal` those without a defect.

    Where the source has no mixed maps, overlays of single ones stand in for them; what nothing was laid over is a
    single map, which is there already.
    """
    single = maps.single if normal else maps.single.take(maps.single.number > 0)
    mixed = maps.mixed or overlaid(single.take(single.number == 1), "add", OVERLAY_SEED)
    several = mixed.number > 1
    parts = (single, mixed.take(several)) if several.any() else (single,)
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("maps", "label"))
    return WaferMaps(single.name, single.mark, single.defects, *joined)


def read_run(workdir: Path) -> tuple[WaferConfig, Content]:
    """Read a run's configuration and the content of its wafer.json; raises ValueError for other folders."""
    try:
        content = read_object(workdir / NAME, config=dict, defects=list)
        fields = dict(content["config"])
        for name, part in PARTS.items():
            fields[name] = part(**{key: tuple(v) if isinstance(v, list) else v for key, v in fields[name].items()})
        config = WaferConfig(**fields)
        _check(content, config.seeds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{workdir} is not the folder of a wafer run: {error}") from None
    return config, content


def read_probabilities(workdir: Path, tested: WaferMaps, seeds: int) -> np.ndarray:
    """Read the probabilities of the tested maps that a run has left, float32 (seeds, n, defects)."""
    path = workdir / "probabilities.npz"
    probability = read_npz(path).get("probability")
    shape = (seeds, *tested.label.shape)
    if probability is None or probability.dtype != np.float32 or probability.shape != shape:
        raise ValueError(f"{path} holds no probabilities of the {len(tested)} tested maps; move the run's folder away.")
    return probability


def maps_digest(maps: WaferSplit) -> str:
    """Return the SHA-256 of everything that is learned from and measured on: defects, maps and labels of each part."""
    sha = hashlib.sha256(json.dumps(maps.training.defects).encode())
    for name in ("training", "validation", "single", "mixed"):
        part = getattr(maps, name)
        for array in (part.maps, part.label) if part else ():
            sha.update(f"{name} {array.dtype} {array.shape}\n".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _check(content: Content, seeds: int) -> None:
    """Raise ValueError unless what was measured, if anything was, is what `evaluate` returns for each seed."""
    defects = content["defects"]
    if not defects or not all(isinstance(name, str) for name in defects):
        raise ValueError("its defects are no names")
    for name in ("rules", "measured"):
        if ("measured" in content or name in content) and not _is_list(content.get(name), dict, seeds):
            raise ValueError(f"its {name} are not those of {seeds} seeds")
    for rules in content.get("rules", ()):
        numbers = [rules.get("gap"), rules.get("threshold"), *(rules.get("thresholds") or ())]
        if not _is_list(numbers, float, 2 + len(defects)) or not isinstance(rules.get("empty"), bool):
            raise ValueError("its rules are not the numbers that they should be")
    for measured in content.get("measured", ()):
        if not all(_is_share(value) for value in record.flatten(measured).values()):
            raise ValueError("what it says was measured are no shares")


def _is_list(value: Any, kind: type, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(isinstance(each, kind) for each in value)


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def _claim(config: WaferConfig, maps: WaferSplit, workdir: Path) -> Content:
    """Return the content of the folder's wafer.json, written now if there is none, or nothing was trained there yet."""
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    names = {"source": maps.training.name, "mark": maps.training.mark, "defects": list(maps.training.defects)}
    names["mixed"] = "overlays" if maps.mixed is None else "maps"  # what stands for maps with several defects
    fresh = {"config": plain, **names, "maps_digest": maps_digest(maps), **origin()}
    if (workdir / NAME).exists():
        _, content = read_run(workdir)
        misfit = _misfit(content, fresh, config.data.source)
        if not misfit:
            return content
        if "measured" in content or (workdir / "checkpoints").exists():
            raise ValueError(f"{workdir} holds {misfit}")
    record.write_json(workdir / NAME, fresh)
    return fresh


def _misfit(content: Content, fresh: Content, source: str) -> str:
    """Say what a folder holds if it is not the run that is asked for; nothing if it is."""
    found = record.differing(record.flatten(content["config"]), record.flatten(fresh["config"]))
    if found:
        return f"a run of another configuration: {found}. Choose another --workdir."
    if content.get("maps_digest") != fresh["maps_digest"]:
        return (
            f"a run on other maps or labels than {source} has now; choose another --workdir, or delete that folder to "
            "train again."
        )
    return ""
