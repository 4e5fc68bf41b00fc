"""Laws of the switch: each plan with its probability, each carried out as it is, nothing mixed for the rest."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import Mix, draw, mix
from mixup_jax.methods import choose, draw_cutmix, draw_resizemix, paste_resized, phase_out

SIZE = (8, 6, 6)
PLANS = [Mix(jnp.full(8, 0.25), jnp.roll(jnp.arange(8), 1)), Mix(jnp.full(8, 0.75), jnp.arange(8)[::-1])]


@pytest.mark.parametrize("per", ["batch", "example"])
def test_each_plan_is_drawn_with_its_probability_and_the_rest_is_left_alone(rng, per):
    keys = jax.random.split(rng, 3000)
    lam = jax.jit(jax.vmap(lambda key: choose(key, PLANS, [0.2, 0.5], per=per).lam))(keys)
    shares = [float(jnp.mean(lam == value)) for value in (0.25, 0.75, 1.0)]
    np.testing.assert_allclose(shares, [0.2, 0.5, 0.3], atol=0.03)
    assert bool(jnp.all(lam == lam[:, :1])) == (per == "batch")


@pytest.mark.thorough
def test_what_is_chosen_is_carried_out_as_alone(rng):
    x = jax.random.normal(rng, (*SIZE, 3))
    plans = [draw(rng, 8, 1.0), draw_cutmix(rng, SIZE, 1.0)]
    mixed = jax.jit(lambda probabilities: mix(choose(rng, plans, probabilities), x))
    np.testing.assert_allclose(mixed(jnp.array([1.0, 0.0])), mix(plans[0], x), atol=1e-6)
    np.testing.assert_array_equal(mixed(jnp.array([0.0, 1.0])), mix(plans[1], x))
    np.testing.assert_array_equal(mixed(jnp.array([0.0, 0.0])), x)
    assert mixed._cache_size() == 1


def test_pasting_only_stays_pasting(rng):
    plans = [draw_cutmix(key, SIZE, 1.0) for key in jax.random.split(rng)]
    assert choose(rng, plans, [0.5, 0.5]).mask.dtype == bool
    assert choose(rng, [plans[0], PLANS[0]], [0.5, 0.5]).mask.dtype == jnp.float32


def test_plans_of_resizemix_are_chosen_among_themselves_and_pasted_shrunk(rng):
    x = jax.random.normal(rng, (*SIZE, 3))
    plans = [draw_resizemix(key, SIZE, low=0.5, high=0.5) for key in jax.random.split(rng)]
    np.testing.assert_array_equal(paste_resized(choose(rng, plans, [0.0, 1.0]), x), paste_resized(plans[1], x))


@pytest.mark.parametrize("other", [lambda rng: draw(rng, 8, 1.0), lambda rng: draw_cutmix(rng, SIZE, 1.0)])
def test_a_plan_of_resizemix_beside_another_is_refused_at_trace_time(rng, other):
    with pytest.raises(ValueError, match=r"same way of pasting .*ResizeMix"):
        jax.eval_shape(lambda rng: choose(rng, [draw_resizemix(rng, SIZE), other(rng)], [0.5, 0.5]), rng)


@pytest.mark.parametrize(
    ("plans", "probabilities", "message"),
    [
        ([], [], "plans is empty"),
        (PLANS, [0.5], r"one for each of 2 plans, got shape \(1,\)"),
        (PLANS, [0.7, 0.7], "sum to at most 1"),
        (PLANS, [-0.1, 0.5], ">= 0"),
        ([PLANS[0], Mix(jnp.ones(4), jnp.arange(4))], [0.5, 0.5], r"same batch, got \['4', '8'\]"),
        ([PLANS[0], Mix(jnp.ones(8), jnp.arange(8), 4)], [0.5, 0.5], "same block"),
    ],
)
def test_bad_input_is_refused(rng, plans, probabilities, message):
    with pytest.raises(ValueError, match=message):
        choose(rng, plans, probabilities)


def test_the_probability_falls_from_one_to_zero():
    probability = jax.vmap(partial(phase_out, steps=1000, start=0.25, end=0.75))(jnp.arange(1000))
    assert bool(jnp.all(jnp.diff(probability) <= 0))
    np.testing.assert_allclose(probability[jnp.array([0, 249, 500, 751, 999])], [1, 1, 0.5, 0, 0], atol=1e-6)
    with pytest.raises(ValueError, match=r"0 <= start <= end, got 0\.5 and 0\.4"):
        phase_out(0, 10, start=0.5, end=0.4)
