"""Laws of the generator of wafer maps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.wafer.generator import NOISE, draw_maps, on_wafer
from experiments.wafer.patterns import DEFECTS, EXCLUSIVE, MIXED, NAMES, PATTERNS, WHOLE_WAFER, multi_hot

EACH = 30


@pytest.fixture(scope="module")
def draw():
    return jax.jit(partial(draw_maps, size=52), static_argnames="noise")


@pytest.fixture(scope="module")
def maps(draw):
    """Some maps of each pattern at both noise levels: (patterns, EACH, 52, 52)."""
    label = jnp.asarray(np.repeat(PATTERNS, EACH, axis=0))
    return {
        noise: np.asarray(draw(jax.random.key(0), label, noise=noise)).reshape(len(PATTERNS), EACH, 52, 52)
        for noise in NOISE
    }


def failing(maps, name):
    """Return the share of dies that fail, of each map of a pattern."""
    of = maps[NAMES.index(name)]
    return (of == 2).sum(axis=(1, 2)) / (of > 0).sum(axis=(1, 2))


def test_the_label_space_is_that_of_the_data_set():
    assert PATTERNS.shape == (38, 8)
    assert len(np.unique(PATTERNS, axis=0)) == 38
    assert np.bincount(PATTERNS.sum(axis=1)).tolist() == [1, 8, 13, 12, 4]
    for first, second in EXCLUSIVE:
        assert not (PATTERNS[:, DEFECTS.index(first)] & PATTERNS[:, DEFECTS.index(second)]).any()
    assert not MIXED[:, [DEFECTS.index(name) for name in WHOLE_WAFER]].any()
    with pytest.raises(ValueError, match="'C\\+X' is no pattern: 'X' is none of C, D"):
        multi_hot("C+X")


@pytest.mark.thorough
def test_dies_are_where_the_wafer_is(maps):
    assert int(on_wafer().sum()) == 2148
    for each in maps.values():
        assert each.dtype == np.uint8
        assert np.array_equal(each > 0, np.broadcast_to(np.asarray(on_wafer()), each.shape))


def test_a_map_depends_on_key_place_and_label_only(draw, maps):
    label = np.repeat(PATTERNS, EACH, axis=0)
    others = label.copy()
    others[1:] = label[::-1][1:]
    again = np.asarray(draw(jax.random.key(0), jnp.asarray(others), noise="low"))
    assert np.array_equal(again[0], maps["low"][0, 0])
    assert not np.array_equal(again[1:], maps["low"].reshape(-1, 52, 52)[1:])


def test_the_background_is_in_its_range(maps):
    for noise, (low, high) in NOISE.items():
        outside = np.asarray(on_wafer()) & (np.add.outer(np.arange(52), np.arange(52)) < 30)  # far from every Center
        of_center = maps[noise][NAMES.index("C")][:, outside] == 2
        assert abs(of_center.mean() - (low + high) / 2) < 0.02
        assert of_center.mean(axis=1).std() < (high - low) / 2 + 0.02
        assert failing(maps[noise], "Normal").max() < 0.1  # also where defects have a high background


def test_whole_wafer_patterns_fail_in_their_share_with_no_background(maps):
    for each in maps.values():
        assert 0.63 < failing(each, "NF").min() <= failing(each, "NF").max() < 0.87
        assert 0.38 < failing(each, "R").min() <= failing(each, "R").max() < 0.57


def test_half_of_the_whole_wafer_maps_fail_in_blocks(maps):
    both = np.concatenate([maps["low"][NAMES.index(name)] for name in ("NF", "R")])[:, 20:32, 20:32].reshape(
        -1, 6, 2, 6, 2
    )
    blocks = (both == both[:, :, :1, :, :1]).all(axis=(1, 2, 3, 4))
    assert 0.3 < blocks.mean() < 0.7


def test_more_defects_let_more_dies_fail_and_mixtures_have_one_background(maps):
    """Expected shares follow 1 - (1 - p0) prod(1 - P): below the sum, above the largest."""
    for noise, each in maps.items():
        center, ring, both = (failing(each, name).mean() for name in ("C", "ER", "C+ER"))
        background = np.mean(NOISE[noise])
        assert max(center, ring) < both < center + ring - background + 0.02


def test_defects_are_where_they_belong(maps):
    v, u = np.meshgrid(*[(np.arange(52) - 25.5) / 26] * 2, indexing="ij")
    r = np.hypot(u, v)

    def inside(name, region):
        return (maps["low"][NAMES.index(name)][:, region] == 2).mean()

    wafer = np.asarray(on_wafer())
    assert inside("C", r < 0.1) > 0.7 > 0.1 > inside("C", wafer & (r > 0.7))
    assert inside("D", (r > 0.24) & (r < 0.32)) > 0.5 > inside("D", r < 0.06)
    assert inside("ER", wafer & (r > 0.97)) > 0.7 > 0.1 > inside("ER", r < 0.8)
    assert 0.25 < inside("EL", wafer & (r > 0.97)) < 0.6


def test_a_scratch_is_one_die_wide(maps):
    fails = maps["low"][NAMES.index("S")] == 2
    squares = fails[:, 1:, 1:] & fails[:, 1:, :-1] & fails[:, :-1, 1:] & fails[:, :-1, :-1]
    assert 5 < fails.sum(axis=(1, 2)).mean() - 0.05 * 2148 < 40
    assert squares.sum(axis=(1, 2)).mean() < 3


@pytest.mark.exhaustive
def test_other_sizes_have_the_same_shares(draw):
    label = jnp.asarray(np.repeat(PATTERNS[[1, 4]], EACH, axis=0))
    small = np.asarray(jax.jit(partial(draw_maps, noise="low", size=32))(jax.random.key(1), label)).reshape(
        2, EACH, 32, 32
    )
    large = np.asarray(draw(jax.random.key(1), label, noise="low")).reshape(2, EACH, 52, 52)
    for one, other in zip(small, large, strict=True):
        assert abs((one == 2).sum() / (one > 0).sum() - (other == 2).sum() / (other > 0).sum()) < 0.05


def test_errors_say_what_was_given():
    with pytest.raises(ValueError, match="noise must be one of low, high, got 'loud'"):
        draw_maps(jax.random.key(0), jnp.zeros((1, 8), jnp.uint8), noise="loud")
    with pytest.raises(ValueError, match=r"label must be multi-hot \(maps, 8\), got shape \(1, 7\)"):
        draw_maps(jax.random.key(0), jnp.zeros((1, 7), jnp.uint8))
