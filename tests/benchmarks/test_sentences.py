"""Laws of the sentences: they say what the figures say."""

from benchmarks.harness.sentences import aim, compared, listed


def test_a_comparison_tells_the_median_and_whether_the_turns_agree():
    assert compared([1.2, 1.1, 1.5]) == "takes 1.20 times as long as ours (longer in every turn)"
    assert compared([0.8, 0.5]) == "takes 0.650 times as long as ours (less in every turn)"
    assert "the turns do not agree" in compared([0.9, 1.05, 1.2])
    assert "the turns do not agree" in compared([1.0, 1.2])


def test_an_aim_is_met_or_missed_by_the_median_and_nobody_is_left_out():
    ratios = {"a": [0.9, 1.02, 9.0], "b": [1.03], "c": [1.0]}
    assert aim(ratios, 1.02) == (
        "The aim, at most 1.02, is met by the median of a (1.02) and c (1.00) and missed by that of b (1.03)."
    )
    assert aim({"a": [6.0], "b": [5.0]}, 5, least=True).endswith("is met by the median of a (6.00) and b (5.00).")
    assert aim({"a": [1.00041]}, 1).endswith("is missed by the median of a (1.0004).")
    assert aim({"a": [4.0]}, 5, least=True) == "The aim, at least 5, is missed by the median of a (4.00)."


def test_names_with_commas_are_kept_apart():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a, large", "b", "c"]) == "a, large; b; and c"
