"""Laws of the points in between: a miss is neither label, and the norms are those of known functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.evaluation.between import gradient_norms, misses

WEIGHTS = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32))
X = jax.random.normal(jax.random.key(0), (5, 2, 6))
TARGET = jnp.full((5, 3), 1 / 3)


def logits_fn(x):
    return x.reshape(len(x), -1) @ WEIGHTS


def test_a_miss_is_neither_of_the_two_labels():
    logits = jnp.eye(4)
    np.testing.assert_array_equal(misses(logits, jnp.arange(4), jnp.zeros(4, int)), [False] * 4)
    np.testing.assert_array_equal(misses(logits, jnp.full(4, 1), jnp.full(4, 2)), [True, False, False, True])
    assert misses(jnp.full((4, 4), jnp.nan), jnp.arange(4), jnp.zeros(4, int)).all()


@pytest.mark.thorough
def test_of_a_linear_network_the_norms_are_those_of_its_weights():
    winner = jnp.argmax(logits_fn(X), axis=1)
    expected = jnp.linalg.norm(WEIGHTS, axis=0)[winner]
    np.testing.assert_allclose(gradient_norms(logits_fn, X, TARGET), expected, rtol=1e-5)
    jacobian = gradient_norms(logits_fn, X, TARGET, "jacobian")
    np.testing.assert_allclose(jacobian, jnp.full(5, jnp.linalg.norm(WEIGHTS)), rtol=1e-5)
    residual = jax.nn.softmax(logits_fn(X)) - TARGET
    expected = jnp.linalg.norm(residual @ WEIGHTS.T, axis=1)
    np.testing.assert_allclose(gradient_norms(logits_fn, X, TARGET, "loss"), expected, rtol=1e-4)


def test_another_scalar_is_refused():
    with pytest.raises(ValueError, match=r"scalar must be max_logit, loss or jacobian, got 'norm'"):
        gradient_norms.__wrapped__(logits_fn, X, TARGET, "norm")  # without the type checker of the tests
