"""Laws of the summaries: they are scipy's, and one seed has no spread."""

import math

import numpy as np
import pytest
from scipy import stats

from mixup_jax.report.statistics import paired_difference, summarise


@pytest.mark.parametrize("values", [[5.5, 5.6], [5.5, 5.6, 5.45, 5.9], list(np.linspace(3, 9, 20))])
def test_the_interval_is_scipys(values):
    summary = summarise(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    np.testing.assert_allclose((summary.low, summary.high), (low, high), rtol=1e-12)


def test_two_seeds_by_hand():
    summary = summarise([5.0, 6.0])  # sd = 1/sqrt 2, standard error = 1/2, t(0.975, 1 degree) = 12.706
    assert summary.mean == 5.5
    assert summary.sd == pytest.approx(math.sqrt(0.5))
    assert summary.half_width == pytest.approx(12.706 / 2, rel=1e-4)


def test_one_seed_has_no_interval_rather_than_a_zero():
    summary = summarise([5.53])
    assert (summary.sd, summary.low, summary.high, summary.half_width) == (None, None, None, None)
    assert str(summary) == "5.53"
    assert summary.interval == "—"


def test_a_value_that_is_not_finite_leaves_no_interval():
    assert summarise([5.0, math.nan]).sd is None
    assert str(summarise([5.0, math.nan])) == "—"


def test_no_seed_is_an_error():
    with pytest.raises(ValueError, match="values is empty"):
        summarise([])


def test_a_paired_difference_is_the_summary_of_the_differences():
    first, second = {0: 5.5, 1: 5.7, 2: 5.4}, {2: 4.0, 1: 4.4, 0: 4.3, 7: 99.0}
    difference = paired_difference(first, second)
    assert difference is not None
    low, high = stats.ttest_rel([4.3, 4.4, 4.0], [5.5, 5.7, 5.4]).confidence_interval(0.95)
    np.testing.assert_allclose((difference.low, difference.high), (low, high), rtol=1e-9)
    assert difference.n == 3


def test_no_shared_seed_gives_no_difference():
    assert paired_difference({0: 5.5}, {1: 4.2}) is None
