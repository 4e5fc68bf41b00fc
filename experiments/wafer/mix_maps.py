"""Mix a batch of wafer maps: the training modes, as rules for the leaves of one mixing plan, and the background.

Two maps that are laid over each other have the background of both, 1 - (1 - p)^2, which no map with two defects has.
Where a share f of the dies fails and the background is p, a failing die is due to the background alone with the
probability p (1 - f) / ((1 - p) f). With this probability it is taken away from the map that is laid over another.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.stats import binom
from jaxtyping import Float, Key

from experiments.wafer.config import MapMixing
from experiments.wafer.maps import channels
from experiments.wafer.patterns import exclusive, whole_wafer
from mixup_jax import Mix, draw
from mixup_jax.methods import choose, leave_padding, mix_by_rule
from mixup_jax.mixing import take_partner
from mixup_jax.runtime.progress import progress

Batch = dict[str, Array]
"""`fail` and `exists`, float 0 or 1 (batch, height, width), and `label`, float multi-hot (batch, defects).
`defect`, if given, is `fail` without the background: this is laid over other maps."""

RULES: dict[str, dict[str, str]] = {
    "mixup": {"fail": "mix", "exists": "union", "label": "mix"},
    "mixup-multi-hot": {"fail": "mix", "exists": "union", "label": "union"},
    "overlay": {"fail": "union", "exists": "union", "label": "union"},
}
"""How the mode mixes each part of a batch; the mode erm mixes nothing."""

SQUARE, RAY, HEADINGS = 5, 7, 32
"""Side of the square around a die, length of a ray in dies, and number of directions."""
LEVEL = 0.1
"""Probability that a die of pure background has a window with significantly more failing dies (Bonferroni)."""
PART = 200 * 52**2
"""Dies whose background is taken away at once."""


def mix_maps(rng: Array, batch: Batch, composing: MapMixing, defects: tuple[str, ...]) -> Batch:
    """Mix a batch by the rules of the mode; more than two maps are mixed by a chain of plans.

    >>> batch = {"fail": jnp.eye(2)[:, None], "exists": jnp.ones((2, 1, 2)), "label": jnp.eye(2)}
    >>> plan = Mix(lam=jnp.full(2, 0.3), partner=jnp.array([1, 0]))
    >>> mix_by_rule(plan, batch, RULES["overlay"])["label"].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    if composing.mode == "erm":
        return batch
    batch = dict(batch)
    defect = batch.pop("defect", batch["fail"])
    size, others = batch["label"].shape[0], batch | {"fail": defect}

    def overlay(composed: Batch, rng: Array) -> tuple[Batch, None]:
        rng_plan, rng_choose = jax.random.split(rng)
        plan = draw(rng_plan, size, composing.alpha)
        if composing.probability < 1:
            plan = choose(rng_choose, [plan], [composing.probability], per="example")
        if composing.pairs == "possible":
            plan = leave_impossible(plan, composed["label"], batch["label"], defects)
        return mix_by_rule(plan, composed, RULES[composing.mode], others), None

    # A loop, which compiles once however many maps there are.
    return jax.lax.scan(overlay, batch, jax.random.split(rng, composing.maps - 1))[0]


def leave_impossible(plan: Mix, label: Array, other: Array, defects: tuple[str, ...]) -> Mix:
    """Return the plan without the mixtures that add no type or that cannot occur: their examples stay as they are.

    >>> from experiments.wafer.patterns import DEFECTS
    >>> plan = Mix(lam=jnp.full(3, 0.5), partner=jnp.array([1, 2, 0]))
    >>> label = jnp.eye(8)[jnp.array([0, 1, 6])]                          # Center, Donut, Scratch
    >>> leave_impossible(plan, label, label, DEFECTS).lam.tolist()        # Center over Donut: no
    [1.0, 0.5, 0.5]
    """
    single = jnp.ones(label.shape[0], bool)
    for column in whole_wafer(defects):
        single &= other[:, column] == 0
    plan = leave_padding(plan, single)
    theirs = take_partner(plan, other)
    possible = single & (jnp.sum(label * theirs, axis=1) == 0)
    for first, second in exclusive(defects):
        possible &= ~((label[:, first] * theirs[:, second] + label[:, second] * theirs[:, first]) > 0)
    return replace(plan, lam=jnp.where(possible, plan.lam, 1.0))


def _windows() -> np.ndarray:
    """Return a square around a die and rays from it, without the die itself, (15, 15, 1, 33).

    Rays, not only lines: most of a bent scratch, one die wide, is off a straight line through its middle.
    """
    windows = np.zeros((2 * RAY + 1, 2 * RAY + 1, 1, 1 + HEADINGS), np.float32)
    inside = slice(RAY - SQUARE // 2, RAY + SQUARE // 2 + 1)
    windows[inside, inside, 0, 0] = 1
    for heading in range(HEADINGS):
        down, right = np.sin(2 * np.pi * heading / HEADINGS), np.cos(2 * np.pi * heading / HEADINGS)
        for step in range(1, RAY + 1):  # a die for each step along the longer direction
            row, column = (round(step * each / max(abs(down), abs(right))) for each in (down, right))
            windows[RAY + row, RAY + column, 0, 1 + heading] = 1
    windows[RAY, RAY] = 0
    return windows


WINDOWS = _windows()


def take_background_away(
    rng: Key[Array, ""], fail: Float[Array, "maps height width"], exists: Float[Array, "#maps height width"]
) -> Float[Array, "maps height width"]:
    """Return the failing dies, 0 or 1, without those that the background explains.

    The background of a map is the median, over its dies, of the share that fails in a square around the die. It assumes
    that a defect covers less than half of the wafer: nothing is left of a larger one. The share around a die is the
    largest over a square, rays in 32 directions and the 16 lines that opposite rays make, if it is significantly more
    than the background (binomial tail). `exists` may be one map for all.

    >>> exists = jnp.ones((1, 16, 16))
    >>> fail = jnp.zeros((1, 16, 16)).at[0, 4:8, 4:8].set(1.0).at[0, 15, 0].set(1.0)
    >>> bool((take_background_away(jax.random.key(0), fail, exists)[0, 4:8, 4:8] == 1).all())
    True
    """
    failing, dies = counts(fail), counts(exists)
    share = failing / jnp.maximum(dies, 1)
    background = jnp.nanmedian(jnp.where(exists > 0, share[..., 0], jnp.nan), axis=(1, 2))
    background = jnp.clip(background, 1e-3, 1 - 1e-3)
    each = jnp.arange(len(fail))[:, None, None, None]
    enough = _significant(background, share.shape[-1])[each, dies.astype(int)]
    background = background[:, None, None]
    densest = jnp.max(jnp.where(failing >= enough, share, background[..., None]), axis=-1)
    explained = background * (1 - densest) / ((1 - background) * densest)
    keep = jax.random.uniform(rng, (fail.size,)).reshape(fail.shape) >= explained
    return jnp.where(keep, fail, 0.0)


def without_background(maps: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return maps, uint8 (n, height, width), in which dies pass whose failure the background explains."""
    take, part = jax.jit(take_background_away), max(1, PART // maps[0].size)
    found = []
    for start in progress(range(0, len(maps), part), "taking the background away"):
        piece = maps[start : start + part]
        empty = np.zeros((part - len(piece), *piece.shape[1:]), np.uint8)
        both = channels(jnp.asarray(np.concatenate([piece, empty])))
        exists = both[:1, ..., 1] if ((piece > 0) == (piece[0] > 0)).all() else both[..., 1]
        fail = take(jax.random.fold_in(jax.random.key(seed), start), both[..., 0], exists)
        found.append(np.asarray(both[..., 1] + fail).astype(np.uint8)[: len(piece)])
    return np.concatenate(found)


def counts(dies: Float[Array, "maps height width"]) -> Float[Array, "maps height width windows"]:
    """Return the number of dies in each window around each die: the square, the rays, the lines."""
    numbers = ("NHWC", "HWIO", "NHWC")
    found = lax.conv_general_dilated(dies[..., None], jnp.asarray(WINDOWS), (1, 1), "SAME", dimension_numbers=numbers)
    there, back = jnp.split(found[..., 1:], 2, axis=-1)
    return jnp.concatenate([found, there + back], axis=-1)


def _significant(background: Float[Array, " maps"], windows: int) -> Array:
    """Return how many of n dies must fail to be more than background, for each n, (maps, n + 1)."""
    number = jnp.arange(SQUARE**2)
    chance = binom.pmf(number[None, None, :], number[None, :, None], background[:, None, None])
    tail = jnp.cumsum(chance[..., ::-1], axis=-1)[..., ::-1]
    rare = tail < LEVEL / windows
    return jnp.where(rare.any(axis=-1), rare.argmax(axis=-1), SQUARE**2)
