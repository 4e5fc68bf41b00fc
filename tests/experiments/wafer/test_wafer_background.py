"""Laws of taking the background of a wafer map away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.wafer.generator import draw_maps
from experiments.wafer.maps import channels
from experiments.wafer.mix_maps import WINDOWS, take_background_away
from experiments.wafer.patterns import multi_hot


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


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_nothing_goes_where_there_is_no_background(rng):
    fail = jnp.zeros((1, 20, 20)).at[0, 5:9, 5:9].set(1.0)
    assert np.array_equal(take_background_away(rng, fail, jnp.ones((1, 20, 20))), fail)


def test_windows_are_a_square_and_rays_about_a_die_that_does_not_count_itself():
    windows = WINDOWS[:, :, 0]
    middle = len(windows) // 2
    assert windows[..., 0].sum() == 24
    assert (windows[..., 1:].sum(axis=(0, 1)) == 7).all()
    assert not windows[middle, middle].any()
    assert len(np.unique(windows.reshape(-1, 33), axis=1).T) == 33
    turned = np.rot90(windows)  # by a quarter: the rays are those of eight directions further on
    assert {ray.tobytes() for ray in turned.reshape(-1, 33).T} == {ray.tobytes() for ray in windows.reshape(-1, 33).T}
    assert np.array_equal(windows[::-1, ::-1, 1:17], windows[..., 17:])  # opposite rays, which make a line


@pytest.mark.thorough
def test_one_map_of_what_exists_is_as_good_as_one_for_each(rng, stripped):
    before = jnp.asarray(stripped["S"][0])
    exists = jnp.asarray(channels(jax.jit(draw_maps)(rng, jnp.zeros((1, 8), jnp.uint8)))[..., 1])
    one, each = (take_background_away(rng, before, e) for e in (exists, jnp.tile(exists, (len(before), 1, 1))))
    assert np.array_equal(one, each)


@pytest.mark.thorough
def test_a_few_dies_of_a_map_with_nothing_but_background_stay(rng):
    fail, exists = np.moveaxis(channels(jax.jit(draw_maps)(rng, jnp.zeros((50, 8), jnp.uint8))), -1, 0)
    after = jax.jit(take_background_away)(rng, jnp.asarray(fail), jnp.asarray(exists))
    assert after.sum() < 0.1 * fail.sum()
