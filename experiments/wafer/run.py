"""Train and measure one configuration on wafer maps, in a folder of its own; what is done is read again.

The folder of a run: `wafer.json` (configuration, rules, every metric, where it comes from), `metrics.jsonl` (the loss),
`probabilities.npz` (of the test maps, for each seed) and `checkpoints/`.
"""

from pathlib import Path
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

from experiments.wafer.config import MapMixing, WaferConfig
from experiments.wafer.decisions import choose_rules, measure, probabilities
from experiments.wafer.fit import WaferNetwork, fit_wafer
from experiments.wafer.label_sets import even_weight
from experiments.wafer.maps import WaferMaps, channels
from experiments.wafer.mix_maps import mix_maps, without_background
from experiments.wafer.patterns import whole_wafer
from experiments.wafer.sources import WaferSplit
from mixup_jax.config import usual
from mixup_jax.data.files.npz import read_npz
from mixup_jax.data.identity import digest_arrays
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.claim import claimed, configuration, read_description
from mixup_jax.runtime.identity import Content, flatten, jax_settings, plain
from mixup_jax.runtime.provenance import origin

NAME = "wafer.json"
OVERLAY_SEED = 1_000
"""Of test maps made by overlaying single ones, where the source has no mixed maps."""


def run_wafer(config: WaferConfig, maps: WaferSplit, workdir: Path, *, title: str = "") -> Content:
    """Train, choose the rules on validation maps, measure on test maps; return the content of wafer.json.

    Raises what `fit_wafer` raises, and ValueError for a folder that holds a run of another configuration
    or on other maps. Where nothing was trained yet, because that run was refused, this one takes its place.
    """
    path, here, defaults = workdir / NAME, identity(config, maps), plain(usual(config))
    with claimed(path, here, defaults=defaults, done=lambda first: "measured" in first) as content:
        if "measured" in content:
            return _checked(content, config.seeds, path)
        network = fit_wafer(config, maps.training, workdir, title=title)
        lines = record.read_metrics(workdir, config.steps)  # none where somebody has deleted them
        content |= {"train_loss": lines[-1]["train_loss"]} if lines else {}
        content |= evaluate(network, config, maps, workdir)
        write_json(workdir / NAME, content)
    return content


def evaluate(network: WaferNetwork, config: WaferConfig, maps: WaferSplit, workdir: Path) -> Content:
    """Return the rules of each seed and what they measure; leave the probabilities of the test maps in the folder.

    Every set of defects of the validation maps counts the same when rules are chosen: how many maps there are of each
    is an accident, of the overlays above all.
    """
    head, normal, none = config.composing.head, config.data.normal, config.none_class
    held_out = maps.validation.with_normal(normal)
    chosen_on = held_out if config.data.choose_mixed else validation_maps(held_out, config.composing.background)
    tested = tested_maps(maps, normal)
    here = probabilities(network.logits(chosen_on.maps), head, none=none)
    there = probabilities(network.logits(tested.maps), head, none=none)
    weight = even_weight(chosen_on.label)
    rules = [choose_rules(each, chosen_on.label, empty=normal, none=none, weight=weight) for each in here]
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
    single = maps.single.with_normal(normal)
    mixed = maps.mixed or overlaid(single.take(single.number == 1), "add", OVERLAY_SEED)
    several = mixed.number > 1
    return single.join(single.name, mixed.take(several)) if several.any() else single


def read_run(workdir: Path) -> tuple[WaferConfig, Content]:
    """Read a run's configuration and the content of its wafer.json; raises ValueError for other folders."""
    config = configuration(workdir / NAME, WaferConfig)
    return config, _checked(read_description(workdir / NAME), config.seeds, workdir / NAME)


def read_probabilities(workdir: Path, tested: WaferMaps, seeds: int) -> np.ndarray:
    """Read the probabilities of the tested maps that a run has left, float32 (seeds, n, defects)."""
    path = workdir / "probabilities.npz"
    probability = read_npz(path).get("probability", np.empty(0))
    fits = probability.dtype == np.float32 and probability.shape == (seeds, *tested.label.shape)
    if not (fits and ((probability >= 0) & (probability <= 1)).all()):  # NaN is neither
        raise ValueError(f"{path} holds no probabilities of the {len(tested)} tested maps; move the run's folder away.")
    return probability


def _checked(content: Content, seeds: int, path: Path) -> Content:
    """Return the content of wafer.json; raises ValueError unless what was measured, if anything, is as it should be.

    That is names of defects, and for each seed the rules and shares of what `evaluate` returns.
    """
    good = _is_list(content.get("defects"), str) and all(
        isinstance(content.get(each), str) for each in ("source", "mark")
    )
    if good and ("rules" in content or "measured" in content):
        rules: Any = content.get("rules")
        measured: Any = content.get("measured")
        good = _is_list(rules, dict, seeds) and all(_is_rules(each, len(content["defects"])) for each in rules)
        good = good and _is_list(measured, dict, seeds)
        good = good and all(_is_share(value) for each in measured for value in flatten(each).values())
    if not good:
        raise ValueError(f"{path} does not hold what a run on wafer maps leaves; move it away, or take another folder.")
    return content


def _is_list(value: Any, kind: type, length: int | None = None) -> TypeGuard[list[Any]]:
    """Whether this is a list of `length` values, or of any, but not empty, all of the kind."""
    fits = isinstance(value, list) and len(value) == (length or len(value)) > 0
    return fits and all(isinstance(each, kind) for each in value)


def _is_rules(rules: Content, defects: int) -> bool:
    thresholds: Any = rules.get("thresholds")
    shares = _is_list(thresholds, float, defects) and all(map(_is_share, (rules.get("gap"), rules.get("threshold"))))
    return shares and all(map(_is_share, thresholds)) and isinstance(rules.get("empty"), bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def identity(config: WaferConfig, maps: WaferSplit) -> Content:
    """Return the description of a run: configuration, maps, settings of JAX, and where and with what it runs."""
    mixed = "overlays" if maps.mixed is None else "maps"  # what stands for maps with several defects
    names = {"source": maps.training.name, "mark": maps.training.mark, "defects": list(maps.training.defects)}
    data = {
        "mark": maps.training.mark,
        "defects": list(maps.training.defects),
        "mixed": mixed,
        "digests": digests(maps),
    }
    return {"config": plain(config), "data": data, "jax": jax_settings(), **names, "mixed": mixed, **origin()}


def digests(maps: WaferSplit) -> dict[str, str]:
    """Return the digests of everything that is learned from and measured on: maps and labels of each part."""
    parts = {name: getattr(maps, name) for name in ("training", "validation", "single", "mixed")}
    arrays = {
        f"{name}_{each}": getattr(part, each) for name, part in parts.items() if part for each in ("maps", "label")
    }
    return digest_arrays(arrays)


OVERLAYS = 2
"""Overlays for each held-out map."""
MOST, FURTHER = 6, 0.8
"""Maps that an overlay is tried with, and the probability of each further one; those of a type that is there already,
or that does not occur together with it, are left out, which leaves one to four."""


def overlaid(maps: WaferMaps, background: str, seed: int) -> WaferMaps:
    """Lay maps of one defect over each other at random: one to four types that occur together, of one map each.

    `background` as in training: "add" or "match". The same seed gives the same maps.
    """
    composing = MapMixing(maps=MOST, probability=FURTHER, pairs="possible")
    both = channels(jnp.asarray(maps.maps))
    batch = {"fail": both[..., 0], "exists": both[..., 1], "label": jnp.asarray(maps.label, jnp.float32)}
    if background == "match":
        batch["defect"] = channels(jnp.asarray(without_background(maps.maps, seed)))[..., 0]
    found = mix_maps(jax.random.key(seed), batch, composing, maps.defects)
    mixed = np.asarray(found["exists"] + found["fail"]).astype(np.uint8)
    label = np.asarray(found["label"]).astype(np.uint8)
    return WaferMaps(f"overlays of {maps.name}", maps.mark, maps.defects, mixed, label)


def validation_maps(maps: WaferMaps, background: str) -> WaferMaps:
    """Return held-out maps of one defect (or none) and overlays of those that leave room for another, if any do."""
    laid = (maps.number == 1) & ~maps.label[:, whole_wafer(maps.defects)].any(axis=1)
    single = maps.take(laid) if laid.any() else None
    overlays = (overlaid(single, background, seed) for seed in range(OVERLAYS) if single)
    return maps.join(f"{maps.name} and overlays", *overlays)
