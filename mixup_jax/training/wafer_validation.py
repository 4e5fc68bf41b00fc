"""The maps that decision rules are chosen on: held-out maps of one defect, and overlays of them."""

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.data.wafer_maps import WaferMaps, channels
from mixup_jax.data.wafer_patterns import whole_wafer
from mixup_jax.training.wafer_compose import compose
from mixup_jax.training.wafer_config import Composing
from mixup_jax.training.wafer_step import without_background

OVERLAYS = 2
"""Overlays for each held-out map."""
MOST, FURTHER = 6, 0.8
"""Maps that an overlay is tried with, and the probability of each further one; those of a type that is there already,
or that does not occur together with it, are left out, which leaves one to four."""


def overlaid(maps: WaferMaps, background: str, seed: int) -> WaferMaps:
    """Lay maps of one defect over each other at random: one to four types that occur together, of one map each.

    `background` as in training: "add" or "match". The same seed gives the same maps.
    """
    composing = Composing(maps=MOST, probability=FURTHER, pairs="possible")
    both = channels(jnp.asarray(maps.maps))
    batch = {"fail": both[..., 0], "exists": both[..., 1], "label": jnp.asarray(maps.label, jnp.float32)}
    if background == "match":
        batch["defect"] = channels(jnp.asarray(without_background(maps.maps, seed)))[..., 0]
    found = compose(jax.random.key(seed), batch, composing, maps.defects)
    mixed = np.asarray(found["exists"] + found["fail"]).astype(np.uint8)
    label = np.asarray(found["label"]).astype(np.uint8)
    return WaferMaps(f"overlays of {maps.name}", maps.mark, maps.defects, mixed, label)


def validation_maps(maps: WaferMaps, background: str) -> WaferMaps:
    """Return held-out maps of one defect (or none) and overlays of those that leave room for another, if any do."""
    laid = (maps.number == 1) & ~maps.label[:, whole_wafer(maps.defects)].any(axis=1)
    single = maps.take(laid) if laid.any() else None
    parts = [maps, *(overlaid(single, background, seed) for seed in range(OVERLAYS) if single)]
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("maps", "label"))
    return WaferMaps(f"{maps.name} and overlays", maps.mark, maps.defects, *joined)
