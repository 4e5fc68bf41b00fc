"""Laws of the attacks: they reach the boundary of the ball, never leave it, and raise the loss."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.evaluation.attacks import fgsm, iterated_fgsm, pgd

WEIGHTS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
X = jnp.asarray(np.random.default_rng(1).uniform(0, 255, (20, 12)).astype(np.float32))
Y = jnp.arange(20) % 3


def loss_fn(x, y):
    """A network without hidden units, with its own normalisation."""
    log_p = jax.nn.log_softmax(jnp.sin((x - 128) / 64) @ WEIGHTS)
    return -jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]


ATTACKS = {"fgsm": fgsm, "iterated": iterated_fgsm, "pgd": partial(pgd, jax.random.key(0))}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 4.0, 300.0])
def test_an_attack_stays_in_the_ball_and_in_the_range_of_pixels(name, epsilon):
    moved = jax.jit(partial(ATTACKS[name], loss_fn))(X, Y, epsilon)
    assert float(jnp.abs(moved - X).max()) <= epsilon + 1e-4
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 255
    if epsilon == 0:
        np.testing.assert_array_equal(moved, X)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_reaches_the_boundary_and_raises_the_loss(name):
    moved = ATTACKS[name](loss_fn, X, Y, 1.0)
    inside = (X > 1) & (X < 254)
    if name == "fgsm":
        np.testing.assert_allclose(jnp.abs(moved - X)[inside], 1.0, atol=1e-4)
    assert float(jnp.mean(jnp.abs(moved - X)[inside] > 0.999)) > 0.9
    assert bool(jnp.all(loss_fn(moved, Y) >= loss_fn(X, Y)))


def test_more_steps_find_more_loss():
    once, often = (iterated_fgsm(loss_fn, X, Y, 40.0, steps=steps) for steps in (1, 10))
    assert float(loss_fn(often, Y).mean()) > float(loss_fn(once, Y).mean())
    np.testing.assert_allclose(once, fgsm(loss_fn, X, Y, 40.0), atol=1e-4)


def test_pgd_starts_somewhere_else_with_another_key():
    first, second = (pgd(jax.random.key(seed), loss_fn, X, Y, 8.0, steps=1, step_size=0.1) for seed in (0, 1))
    assert float(jnp.abs(first - second).mean()) > 1


def test_one_example_alone_is_attacked_as_in_company():
    together = iterated_fgsm(loss_fn, X, Y, 4.0)
    np.testing.assert_allclose(iterated_fgsm(loss_fn, X[3:4], Y[3:4], 4.0)[0], together[3], atol=1e-4)


@pytest.mark.parametrize("epsilon", [-1.0, float("nan")])
@pytest.mark.parametrize("name", ATTACKS)
def test_a_negative_epsilon_is_refused(name, epsilon):
    with pytest.raises(ValueError, match="epsilon must be >= 0"):
        ATTACKS[name](loss_fn, X, Y, epsilon)


def test_no_steps_and_bounds_in_the_wrong_order_are_refused():
    for attack in (iterated_fgsm, partial(pgd, jax.random.key(0))):
        with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
            attack(loss_fn, X, Y, 1.0, steps=0)
    with pytest.raises(ValueError, match="low must be less than high"):
        fgsm(loss_fn, X, Y, 1.0, low=1.0, high=0.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_integer_pixels_are_refused(name):
    with pytest.raises(ValueError, match="x must be floating-point pixels, got uint8"):
        ATTACKS[name](loss_fn, X.astype(jnp.uint8), Y, 1.0)
