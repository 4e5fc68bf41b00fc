"""How a batch of wafer maps is put together: the training modes, as rules for the leaves of one mixing plan."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from experiments.wafer.config import Composing
from experiments.wafer.patterns import exclusive, whole_wafer
from mixup_jax import Mix, draw
from mixup_jax.methods import choose, leave_padding, mix_by_rule
from mixup_jax.mixing import take_partner

Batch = dict[str, Array]
"""`fail` and `exists`, float 0 or 1 (batch, height, width), and `label`, float multi-hot (batch, defects).
With `defect`, what fails without the background, that is what is laid over other maps."""

RULES: dict[str, dict[str, str]] = {
    "mixup": {"fail": "mix", "exists": "union", "label": "mix"},
    "mixup-multi-hot": {"fail": "mix", "exists": "union", "label": "union"},
    "overlay": {"fail": "union", "exists": "union", "label": "union"},
}
"""What becomes of each part of a batch; mode erm leaves it alone."""


def compose(rng: Array, batch: Batch, composing: Composing, defects: tuple[str, ...]) -> Batch:
    """Put a batch together, as its mode says; with more than two maps, by a chain of plans.

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

    def lay(composed: Batch, rng: Array) -> tuple[Batch, None]:
        rng_plan, rng_choose = jax.random.split(rng)
        plan = draw(rng_plan, size, composing.alpha)
        if composing.probability < 1:
            plan = choose(rng_choose, [plan], [composing.probability], per="example")
        if composing.pairs == "possible":
            plan = leave_impossible(plan, composed["label"], batch["label"], defects)
        return mix_by_rule(plan, composed, RULES[composing.mode], others), None

    # A loop, which compiles once however many maps there are.
    return jax.lax.scan(lay, batch, jax.random.split(rng, composing.maps - 1))[0]


def leave_impossible(plan: Mix, label: Array, other: Array, defects: tuple[str, ...]) -> Mix:
    """Return the plan with those examples left alone to which their partner would add no type, or one that cannot be.

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
