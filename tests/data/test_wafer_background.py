"""Laws of taking the background of a wafer map away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.data.wafer_background import WINDOWS, take_background_away
from mixup_jax.data.wafer_generator import draw_maps
from mixup_jax.data.wafer_maps import channels
from mixup_jax.data.wafer_patterns import multi_hot


@pytest.fixture(scope="module")
def stripped():
    """Maps of high noise before and after, by pattern: fails (20, 52, 52)."""
    label = np.stack([multi_hot(name) for name in ("C", "S", "ER", "L")]).repeat(20, axis=0)
    both = channels(jax.jit(draw_maps)(jax.random.key(0), jnp.asarray(label)))
    after = jax.jit(take_background_away)(jax.random.key(1), both[..., 0], both[..., 1])
    return {
        name: (np.asarray(both[20 * i : 20 * i + 20, ..., 0]), np.asarray(after[20 * i : 20 * i + 20]))
        for i, name in enumerate(("C", "S", "ER", "L"))
    }


def test_no_die_fails_that_did_not(stripped):
    for before, after in stripped.values():
        assert set(np.unique(after)) <= {0.0, 1.0}
        assert (after <= before).all()


def test_most_of_the_background_goes_and_most_of_the_defect_stays(stripped):
    v, u = np.meshgrid(*[(np.arange(52) - 25.5) / 26] * 2, indexing="ij")
    r = np.hypot(u, v)

    def kept(name, region):
        before, after = stripped[name]
        return after[:, region].sum() / before[:, region].sum()

    assert kept("C", r < 0.1) > 0.95
    assert kept("C", (r > 0.6) & (r < 0.9)) < 0.4
    assert kept("ER", (r > 0.97) & (r < 1.0)) > 0.85
    assert kept("ER", r < 0.7) < 0.4


def test_nothing_goes_where_there_is_no_background(rng):
    fail = jnp.zeros((1, 20, 20)).at[0, 5:9, 5:9].set(1.0)
    assert np.array_equal(take_background_away(rng, fail, jnp.ones((1, 20, 20))), fail)


def test_windows_are_a_square_and_lines_about_a_die_that_does_not_count_itself():
    windows = WINDOWS[:, :, 0]
    assert windows[..., 0].sum() == 24
    assert (windows[..., 1:].sum(axis=(0, 1)) == 8).all()
    assert not windows[4, 4].any()
    assert len(np.unique(windows.reshape(81, -1), axis=1).T) == 13
    assert np.array_equal(windows, windows[::-1, ::-1])
