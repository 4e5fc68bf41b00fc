"""The mixing family as a table: every method, the plans that it draws, what carries them out, who the partners are."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax import draw, mix, mixup
from mixup_jax import methods as m
from mixup_jax.methods import table

BLOCK = 4
OPTIONS = {"per": "example", "block": BLOCK}


class Method(NamedTuple):
    """A method, the plans that it draws (one, or several in a row), what carries them out, and who the partners are."""

    apply: Any  # (rng, x, y, alpha) -> (x, y)
    draw: Any = None  # (rng, x, alpha) -> plans
    carry_out: Any = mix  # (plans, (x, y)) -> (x, y)
    partners: Any = np.asarray  # leaf -> the examples that the plans' partners are among


def draw_choice(rng, x, alpha):
    keys = jax.random.split(rng, 3)
    plans = [draw(keys[0], len(x), alpha, **OPTIONS), m.draw_cutmix(keys[1], x.shape[:3], alpha, **OPTIONS)]
    return m.choose(keys[2], plans, [0.4, 0.4], per="example")


def draw_many(rng, x, alpha):
    return m.draw_dirichlet(rng, len(x), alpha, examples=3, **OPTIONS)


def clean_and_mixed(rng, x, y, alpha):
    return m.regmixup(rng, x, y, alpha, **OPTIONS)[:2]


class TwiceAndHalf(nn.Module):
    """A network whose hidden states are twice its inputs, and its results its inputs."""

    @nn.compact
    def __call__(self, x):
        return Times(x.dtype.type(0.5), name="half")(Times(x.dtype.type(2), name="twice")(x))


class Times(nn.Module):
    """Multiply."""

    factor: Any

    def __call__(self, x):
        return self.factor * x


def mix_hidden(plan, batch):
    """Mix the input of the second layer."""
    x, y = batch
    with m.mix_at(plan, "half"):
        return TwiceAndHalf().apply({}, x), mix(plan, y)


def with_partners(policy):
    """Return a method that mixes with the partners of a policy, (rng, x) -> partners."""

    def options(rng, x):
        rng_partner, rng_mix = jax.random.split(rng)
        return rng_mix, {"per": "example", "partner": policy(rng_partner, x)}

    def apply(rng, x, y, alpha):
        rng_mix, chosen = options(rng, x)
        return mixup(rng_mix, x, y, alpha, **chosen)

    def draw_plan(rng, x, alpha):
        rng_mix, chosen = options(rng, x)
        return draw(rng_mix, len(x), alpha, **chosen)

    return Method(apply, draw_plan)


def data_set(leaf):
    """Return a data set of twice as many examples as the batch; the last of them are those of the batch."""
    return jnp.concatenate([leaf[::-1], leaf])


def draw_neighbours(rng, x, alpha):
    rng_partner, rng_mix = jax.random.split(rng)
    size = len(x)
    table = np.random.default_rng(0).integers(2 * size, size=(2 * size, 3))
    partner = m.neighbours(rng_partner, table, np.arange(size, 2 * size))
    return draw(rng_mix, size, alpha, per="example", partner=partner)


def mix_with_data_set(plan, batch):
    return mix(plan, batch, jax.tree.map(data_set, batch))


def classes(x):
    return np.arange(len(x)) % 3


def of_table(name, **options):
    """Return a row of the library's own table."""
    row, options = table.METHODS[name], OPTIONS | options
    draw_plan = row.draw and (lambda rng, x, alpha: row.draw(rng, x, alpha, **options))
    return Method(partial(row.apply, **options), draw_plan, row.carry_out)


METHODS = {
    **{name: of_table(name) for name in table.METHODS},
    "cutmix with minmax": of_table("cutmix", minmax=(0.2, 0.8)),
    "lattice": of_table("gridmix", period=3),
    "choose": Method(lambda rng, x, y, alpha: mix(draw_choice(rng, x, alpha), (x, y)), draw_choice),
    "dirichlet": Method(lambda rng, x, y, alpha: m.mix_all(draw_many(rng, x, alpha), (x, y)), draw_many, m.mix_all),
    "regmixup": Method(clean_and_mixed),
    "hidden states": Method(
        lambda rng, x, y, alpha: mix_hidden(draw(rng, len(x), alpha, **OPTIONS), (x, y)),
        lambda rng, x, alpha: draw(rng, len(x), alpha, **OPTIONS),
        mix_hidden,
    ),
    "k-mixup": with_partners(lambda rng, x: m.optimal_partners(rng, x, k=2)),
    "C-mixup": with_partners(lambda rng, x: m.by_label_distance(rng, np.linspace(0, 1, len(x), dtype=np.float32), 0.2)),
    "same class": with_partners(lambda rng, x: m.same_class(rng, classes(x))),
    "different class": with_partners(lambda rng, x: m.different_class(rng, classes(x))),
    "neighbours": Method(
        lambda rng, x, y, alpha: mix_with_data_set(draw_neighbours(rng, x, alpha), (x, y)),
        draw_neighbours,
        mix_with_data_set,
        data_set,
    ),
}
WITH_PLAN = [name for name, method in METHODS.items() if method.draw]
PASTING = [name for name, row in table.METHODS.items() if row.pastes] + ["cutmix with minmax", "lattice"]
IN_BLOCKS = ["mixup", "choose", "dirichlet", "hidden states", *PASTING]
