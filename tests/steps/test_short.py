"""Laws of short trainings: what mixing changes and what it does not, and the same bits alone or among others."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from batches import batch_indices

from mixup_jax import mixup
from mixup_jax.models.mlp import MLP
from mixup_jax.steps.many_seeds import map_over_seeds, over_seeds
from mixup_jax.steps.short import Short, train_short

HOW = Short(MLP(classes=3, width=8), steps=7, batch_size=4)
X = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
LABEL = (np.arange(10) % 3).astype(np.int32)
ALPHAS = (0.0, 1.0)


def one(seed, alpha):
    """Train on the same ten points."""
    return train_short(jax.random.key(seed), jnp.asarray(X), jnp.asarray(LABEL), alpha, HOW)


TRAIN = jax.jit(one)
MANY = jax.jit(over_seeds(over_seeds(one, (None, 0)), (0, None)))


pytestmark = pytest.mark.usefixtures("quick_beta")


@pytest.mark.slow
def test_a_training_is_adam_on_batches_mixed_by_the_library():
    rng_init, rng_order, rng_mix = jax.random.split(jax.random.key(3), 3)
    params = HOW.model.init(rng_init, jnp.asarray(X[:1]), train=False)["params"]
    optimizer = optax.adam(1e-3)
    opt_state = optimizer.init(params)
    for step in range(HOW.steps):
        index = batch_indices(rng_order, step, HOW.batch_size, len(X))
        x, y = jnp.asarray(X)[index], jax.nn.one_hot(LABEL, 3)[index]
        x, y = mixup(jax.random.fold_in(rng_mix, step), x, y, 1.0)

        def loss_fn(params, x=x, y=y):
            return optax.softmax_cross_entropy(HOW.model.apply({"params": params}, x, train=False), y).mean()

        updates, opt_state = optimizer.update(jax.grad(loss_fn)(params), opt_state)
        params = optax.apply_updates(params, updates)
    jax.tree.map(lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=2e-6), TRAIN(3, 1.0), params)


@pytest.mark.slow
def test_a_training_among_others_gives_the_bits_that_it_gives_alone_and_vmapped_the_same_numbers():
    many = MANY(jnp.arange(2), jnp.array(ALPHAS))
    vmapped = jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(jnp.arange(2), jnp.array(ALPHAS))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-6), vmapped, many)
    for seed in range(2):
        for i, alpha in enumerate(ALPHAS):
            alone = TRAIN(seed, alpha)
            jax.tree.map(lambda a, b, at=(seed, i): np.testing.assert_array_equal(a, b[at]), alone, many)
    kernel = many["hidden1"]["kernel"]
    assert all((kernel[a] != kernel[b]).any() for a, b in (((0, 0), (0, 1)), ((0, 1), (1, 1))))


def test_a_loop_is_a_vmap():
    function = lambda x, y, z: (x + y, x * z)  # noqa: E731
    arguments = (jnp.arange(3.0), jnp.float32(2.0), jnp.arange(3.0, 6.0))
    for ours in (map_over_seeds, over_seeds):
        for a, b in zip(
            ours(function, (0, None, 0))(*arguments), jax.vmap(function, (0, None, 0))(*arguments), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_what_cannot_be_trained_is_refused():
    for options, message in (({"steps": 0}, "steps must be positive, got 0"), ({"lr": -1.0}, "lr must be positive")):
        with pytest.raises(ValueError, match=message):
            Short(HOW.model, **{"steps": 1, "batch_size": 1, **options})
    with pytest.raises(ValueError, match="batch_size must be at most the 10 training examples, got 11"):
        train_short(jax.random.key(0), jnp.asarray(X), jnp.asarray(LABEL), 0.0, Short(HOW.model, 1, 11))
