"""Laws of the convolution: the native operation's values and derivatives, under every transformation."""

import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp

from mixup_jax.models.convolution import conv_general_dilated

LAYOUT = ("NHWC", "HWIO", "NHWC")
CASES = [  # kernel size, stride, padding
    (3, 1, "SAME"),
    (3, 2, "SAME"),
    (3, 2, ((1, 1), (1, 1))),
    (3, 1, "VALID"),
    (1, 1, "VALID"),
    (1, 2, "VALID"),
    (5, 3, ((0, 2), (3, 1))),
    (2, 2, "SAME"),
]


def arrays(rng, size, *, lead=(), dtype=jnp.float32):
    rng_x, rng_kernel = jax.random.split(rng)
    x = jax.random.normal(rng_x, (*lead, 4, 9, 8, 3), dtype)
    return x, jax.random.normal(rng_kernel, (*lead, size, size, 3, 5), dtype)


def losses(stride, padding):
    """The same nonlinear loss on our convolution and on the native one."""

    def loss(convolve):
        def fn(x, kernel):
            y = convolve(x, kernel, (stride, stride), padding, dimension_numbers=LAYOUT)
            return jnp.sum(jnp.sin(y.astype(jnp.float32)))

        return fn

    return loss(conv_general_dilated), loss(lax.conv_general_dilated)


def assert_close(ours, native, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(native), strict=True):
        assert a.dtype == b.dtype
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


@pytest.mark.parametrize(("size", "stride", "padding"), CASES)
def test_gradients_are_the_native_ones(rng, size, stride, padding):
    ours, native = losses(stride, padding)
    args = arrays(rng, size)
    assert_close(jax.value_and_grad(ours, (0, 1))(*args), jax.value_and_grad(native, (0, 1))(*args))


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmapped_gradients_are_the_native_ones(rng, axes):
    ours, native = losses(2, "SAME")
    many, one = arrays(rng, 3, lead=(3,)), arrays(rng, 3)
    args = [m if axis == 0 else o for axis, m, o in zip(axes, many, one, strict=True)]
    grads = [jax.vmap(jax.grad(fn, (0, 1)), axes)(*args) for fn in (ours, native)]
    assert_close(*grads)
