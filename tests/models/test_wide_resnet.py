"""Laws of the Wide ResNet: the published size, the published start."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models import WideResNet


@pytest.mark.parametrize(("classes", "count"), [(10, 36_479_194), (100, 36_479_194 + 90 * 641)])
def test_wrn_28_10_has_the_published_number_of_parameters(classes, count):
    model = WideResNet(classes)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


def test_it_starts_as_the_reference_does(rng):
    model = WideResNet(10, width=32, blocks=(1, 1))
    params = jax.jit(partial(model.init, train=False))(rng, jnp.zeros((1, 8, 8, 3)))["params"]
    kernel, scale = (params["stage2"]["block1"][name] for name in ("conv2", "bn2"))
    np.testing.assert_allclose(kernel["kernel"].std(), (2 / (9 * 64)) ** 0.5, rtol=0.05)
    assert 0 <= scale["scale"].min() < 0.2
    assert 0.8 < scale["scale"].max() < 1
    assert not params["head"]["bias"].any()


def test_the_shortcut_changes_only_where_the_width_does(rng):
    model = WideResNet(10, width=16, blocks=(2, 1))
    params = jax.eval_shape(partial(model.init, train=False), rng, jnp.zeros((1, 8, 8, 3)))["params"]
    assert "shortcut" not in params["stage1"]["block1"]  # 16 channels after the stem
    assert "shortcut" not in params["stage1"]["block2"]
    assert "shortcut" in params["stage2"]["block1"]
