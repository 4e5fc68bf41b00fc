"""Laws of GridMix: whole cells, an exact number of them; and of GridMask's lattice."""

import jax
import numpy as np
import pytest

from mixup_jax.methods import draw_gridmix

LAM = np.linspace(0, 1, 21, dtype=np.float32)


@pytest.fixture
def draws(rng, fix_lambdas):
    """Return a function that draws a plan whose examples have known lambdas."""

    def draws(lam, size, **options):
        fix_lambdas("gridmix", lam)
        return jax.jit(lambda rng: draw_gridmix(rng, (len(lam), *size), 1.0, **options))(rng)

    return draws


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "cells"), [((8, 8), 4), ((7, 5), 3), ((7, 5), 1)])
def test_exactly_the_rounded_share_of_the_cells_is_kept_whole(draws, size, cells):
    plan = draws(LAM, size, cells=cells, per="example")
    row, column = (np.arange(length) * cells // length for length in size)
    first = [np.searchsorted(each, np.arange(cells)) for each in (row, column)]
    mask = np.asarray(plan.mask)
    kept = mask[:, first[0]][:, :, first[1]]
    np.testing.assert_array_equal(mask, kept[:, row][:, :, column])
    np.testing.assert_array_equal(kept.sum(axis=(1, 2)), np.round(LAM * np.float32(cells**2)))
    np.testing.assert_allclose(plan.lam, mask.mean(axis=(1, 2)), rtol=2e-7)


@pytest.mark.parametrize("period", [None, 4])
def test_no_place_is_preferred(draws, period):
    lam = np.full(4000, 0.5)
    kept = np.asarray(draws(lam, (4, 4), period=period, per="example").mask).mean(axis=0)
    assert abs(kept - kept.mean()).max() < 5 * 0.5 / np.sqrt(4000)


def test_a_lattice_repeats_a_square_with_its_period(draws):
    plan = draws(LAM, (13, 12), period=4, per="example")
    mask = np.asarray(plan.mask)
    np.testing.assert_array_equal(mask[:, 4:], mask[:, :-4])
    np.testing.assert_array_equal(mask[:, :, 4:], mask[:, :, :-4])
    rows, columns = ~mask[:, :4, :4].all(axis=2), ~mask[:, :4, :4].all(axis=1)
    np.testing.assert_array_equal(~mask[:, :4, :4], rows[:, :, None] & columns[:, None])
    side = np.round(np.sqrt(1 - LAM) * 4)
    np.testing.assert_array_equal(rows.sum(axis=1), side)
    np.testing.assert_array_equal(columns.sum(axis=1), side)
    np.testing.assert_allclose(plan.lam, mask.mean(axis=(1, 2)), rtol=2e-7)


@pytest.mark.parametrize("period", [None, 4])
def test_one_grid_a_batch(draws, period):
    plan = draws(np.full(6, 0.5), (8, 8), period=period, per="batch")
    assert len(np.unique(plan.mask, axis=0)) == 1
    assert not np.asarray(plan.mask).all()


@pytest.mark.parametrize(("option", "value"), [("cells", 0), ("cells", 6), ("period", 0), ("period", 6)])
def test_errors_name_the_argument(rng, option, value):
    with pytest.raises(ValueError, match=rf"{option} must be from 1 to 5, .* got {value}"):
        draw_gridmix(rng, (6, 7, 5), 1.0, **{option: value})
