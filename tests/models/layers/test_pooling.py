"""Laws of adaptive pooling: it is torch's, and it keeps what is constant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models.layers.torch_layers import adaptive_avg_pool


@pytest.mark.parametrize(("shape", "size"), [((1, 1), 7), ((2, 3), 6), ((7, 5), 1), ((13, 12), 6)])
def test_it_is_torchs(rng, shape, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = jax.random.normal(rng, (2, *shape, 3))
    theirs = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(np.asarray(x)).permute(0, 3, 1, 2), size)
    ours = jax.jit(adaptive_avg_pool, static_argnums=1)(x, size)
    np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1).numpy(), rtol=0, atol=1e-6)


def test_every_bin_is_a_mean():
    np.testing.assert_allclose(adaptive_avg_pool(jnp.full((1, 5, 9, 2), 3.0), 4), 3.0, rtol=1e-6)


def test_an_image_of_that_size_passes_untouched(rng):
    x = jax.random.normal(rng, (2, 6, 6, 3)).astype(jnp.bfloat16)
    assert adaptive_avg_pool(x, 6) is x
    assert jax.eval_shape(lambda x: adaptive_avg_pool(x, 3), x).dtype == jnp.bfloat16
