"""Laws of the DenseNet: the published size, and memory that may be saved without another result."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models import DenseNet


@pytest.mark.thorough
@pytest.mark.parametrize(("classes", "count"), [(10, 25_624_430), (100, 25_624_430 + 90 * 2191)])
def test_densenet_bc_190_has_the_published_number_of_parameters(classes, count):
    model = DenseNet(classes)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.exhaustive
def test_remat_changes_the_memory_and_nothing_else(rng):
    image = jax.random.normal(rng, (4 * 8 * 8 * 3,)).reshape(4, 8, 8, 3)
    results, memory = [], []
    for remat in (False, True):
        model = DenseNet(3, width=2, blocks=(3,), remat=remat, dropout=0.2)
        variables = jax.jit(partial(model.init, train=False))(rng, image)

        def loss_fn(params, model=model, variables=variables):
            variables = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, updated = model.apply(variables, image, train=True, mutable=["batch_stats"], rngs={"dropout": rng})
            return jnp.square(logits).sum(), updated

        step = jax.jit(jax.grad(loss_fn, has_aux=True))
        results.append(step(variables["params"]))
        residuals = jax.eval_shape(
            lambda params, loss_fn=loss_fn: jax.vjp(lambda p: loss_fn(p)[0], params)[1], variables["params"]
        )
        memory.append(sum(leaf.size for leaf in jax.tree.leaves(residuals)))
    assert memory[1] < 0.7 * memory[0]
    for a, b in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_every_layer_adds_its_growth_and_a_transition_keeps_half(rng):
    model = DenseNet(3, width=4, blocks=(3, 2))
    params = jax.eval_shape(partial(model.init, train=False), rng, jnp.zeros((1, 8, 8, 3)))["params"]
    assert params["transition1"]["conv"]["kernel"].shape == (1, 1, 8 + 12, 10)
    assert params["head"]["kernel"].shape == (10 + 8, 3)
