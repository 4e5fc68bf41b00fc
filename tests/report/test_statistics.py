"""Laws of the summaries: they are scipy's, and one seed has no spread."""

import math

import numpy as np
import pytest
from scipy import stats

from mixup_jax.report.statistics import holm, paired_difference, summarise


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


@pytest.mark.parametrize("values", [[0.3, -0.2, 1.5], list(np.linspace(-1, 3, 20)), [2.0, 2.0]])
def test_the_p_value_is_scipys(values):
    with np.errstate(all="ignore"):
        expected = stats.ttest_1samp(values, 0).pvalue if np.ptp(values) else 0.0
    assert summarise(values).p == pytest.approx(expected)


def test_one_seed_and_no_difference_have_no_small_p_value():
    assert summarise([1.0]).p is None
    assert summarise([0.0, 0.0, 0.0]).p == 1.0


def test_splits_that_share_rows_have_wider_intervals():
    values = list(np.linspace(3, 9, 20))
    plain, corrected = summarise(values), summarise(values, overlap=0.2 / 0.8)
    assert (corrected.mean, corrected.sd) == (plain.mean, plain.sd)
    assert corrected.half_width / plain.half_width == pytest.approx(math.sqrt(6))  # 1/20 + 1/4 over 1/20
    hundred = summarise([*range(100)], overlap=1 / 9)  # ten times ten folds: Bouckaert and Frank (2004), section 3.2
    assert hundred.half_width == pytest.approx(
        stats.t.ppf(0.975, 99) * np.std(range(100), ddof=1) * (1 / 100 + 1 / 9) ** 0.5
    )


def test_holm_of_published_examples():
    # by hand, by the rule in Aickin and Gensler (1996), American Journal of Public Health 86, 726
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.001]) == pytest.approx([0.04, 0.002])
    assert holm([]) == []


def test_holm_keeps_the_order_and_never_helps():
    found = np.random.default_rng(0).uniform(size=30) ** 3
    corrected = holm(list(found))
    assert np.all(np.array(corrected) >= found)
    assert max(corrected) <= 1
    assert np.all(np.diff(np.array(corrected)[np.argsort(found)]) >= 0)
    assert min(corrected) == pytest.approx(30 * found.min())
