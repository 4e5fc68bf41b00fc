"""Draw which of several plans is carried out, with probabilities that may be traced: a schedule never recompiles."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from mixup_jax.methods.regions import rows_alike
from mixup_jax.mixing import PER, Mix, checked


def choose(rng: Array, plans: Sequence[Mix], probabilities: ArrayLike | Sequence[Any], *, per: str = "batch") -> Mix:
    """Draw one of several plans for the same batch, for the whole batch, for each of their blocks, or for each example.

    `probabilities` is float (plans,), each >= 0, with a sum of at most 1: what it lacks is the probability that nothing
    is mixed. It may be traced. With mixup and CutMix in the list this is timm's switch. Where some plan has a mask the
    result has one, and an example that is blended has a mask that is lambda everywhere.

    Raises ValueError for no plans, plans of different batches, blocks or positions, a plan of ResizeMix beside others
    (which `mix` carries out), probabilities of another length, or (where it can be seen) that are negative or sum to
    more than 1.

    >>> from mixup_jax import draw
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> plan = choose(keys[0], [draw(keys[1], 8, 1.0), draw(keys[2], 8, 0.1)], [0.5, 0.0], per="example")
    >>> bool((plan.lam == 1).any())  # half of them are left alone
    True
    """
    probabilities = _check(plans, probabilities, per)
    size = plans[0].lam.shape[0]
    alike = rows_alike(size, per, plans[0].block)
    uniform = jax.random.uniform(rng, (size // alike,), jnp.float32)
    edges = jnp.cumsum(probabilities)
    index = jnp.searchsorted(edges, uniform, side="right", method="compare_all")  # len(plans): leave it alone
    index = jnp.repeat(index, alike)
    cases = [index == k for k in range(len(plans))]
    lam = jnp.select(cases, [plan.lam for plan in plans], 1.0)
    partner = jnp.select(cases, [plan.partner for plan in plans], jnp.arange(size, dtype=jnp.int32))
    return replace(plans[0], lam=lam, partner=partner, mask=_choose_mask(cases, plans))


def _choose_mask(cases: list[Array], plans: Sequence[Mix]) -> Array | None:
    masks = [plan.mask for plan in plans if plan.mask is not None]
    if not masks:
        return None
    spread = (-1, *[1] * (masks[0].ndim - 1))
    pasted = all(plan.mask is not None and plan.mask.dtype == bool for plan in plans)
    choices = [
        jnp.broadcast_to(plan.lam.reshape(spread) if plan.mask is None else plan.mask, masks[0].shape) for plan in plans
    ]
    if not pasted:
        choices = [choice.astype(jnp.float32) for choice in choices]
    cases = [jnp.broadcast_to(case.reshape(spread), masks[0].shape) for case in cases]
    return jnp.select(cases, choices, jnp.ones((), choices[0].dtype))


def _check(plans: Sequence[Mix], probabilities: Any, per: str) -> Array:
    if not plans:
        raise ValueError("plans is empty; give at least one.")
    plans = [checked(plan) for plan in plans]
    if per not in PER:
        raise ValueError(f"per must be one of {', '.join(PER)}, got {per!r}.")
    if per == "block" and plans[0].block is None:
        raise ValueError("per 'block' draws for each block: it needs plans with a block.")
    for name, values in (
        ("batch", {plan.lam.shape[0] for plan in plans}),
        ("block", {plan.block for plan in plans}),
        ("positions of the mask", {plan.mask.shape for plan in plans if plan.mask is not None}),
        ("way of pasting (ResizeMix has its own)", {"resized" if plan.resized else "as it is" for plan in plans}),
    ):
        if len(values) > 1:
            raise ValueError(f"plans must have the same {name}, got {sorted(map(str, values))}.")
    array = jnp.asarray(probabilities, jnp.float32)
    if array.shape != (len(plans),):
        raise ValueError(f"probabilities must be one for each of {len(plans)} plans, got shape {array.shape}.")
    if not isinstance(array, Tracer):
        known = np.asarray(array)
        if not ((known >= 0).all() and known.sum() <= 1 + 1e-6):
            raise ValueError(f"probabilities must be >= 0 and sum to at most 1, got {known.tolist()}.")
    return array


def phase_out(step: ArrayLike, steps: ArrayLike, *, start: float = 0.6, end: float = 0.9) -> Array:
    """Return the probability of mixing at a step of `steps`: 1 until `start`, falling linearly to 0 at `end`.

    `start` and `end` are shares of the training, 0 <= start <= end; equal, mixing is switched off at once. All but
    these two may be traced. Give the result to `choose` as the probability of a plan. (The paper alternates mixed and
    clean batches for a while before its probability falls; a line is the simplest such schedule.)

    >>> [round(float(phase_out(step, 100)), 2) for step in (0, 59, 75, 90, 99)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if not 0 <= start <= end:
        raise ValueError(f"start and end must satisfy 0 <= start <= end, got {start} and {end}.")
    share = jnp.asarray(step, jnp.float32) / steps
    if start == end:
        return jnp.where(share < start, 1.0, 0.0)
    return jnp.clip((end - share) / (end - start), 0.0, 1.0)
