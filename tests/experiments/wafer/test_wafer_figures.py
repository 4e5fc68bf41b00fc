"""Figures of wafer maps say what they show."""

import numpy as np
import pytest

from experiments.wafer.figures import OTHER, judged_maps, pattern_confusion
from experiments.wafer.sheet import pattern_sheet

MAPS = np.random.default_rng(0).integers(0, 3, (5, 2, 8, 8)).astype(np.uint8)


def test_the_sheet_shows_every_example_of_every_pattern():
    figure = pattern_sheet(MAPS, ["Normal", "C", "D", "EL", "ER"])
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 10
    assert {axes.get_title(loc="left") for axes in shown} >= {"C1  Normal", "C5  ER"}
    assert sorted(axes.images[0].get_array().tobytes() for axes in shown) == sorted(
        each.tobytes() for pattern in MAPS for each in pattern
    )
    assert "2 maps of each of 5 patterns, from Normal to ER" in figure.get_label()


def test_the_confusion_names_the_least_often_right():
    share = np.array([[0.9, 0.1, 0.0], [0.5, 0.2, 0.3]])
    figure = pattern_confusion(share, ["C", "C+L"], ["C", "C+L", OTHER])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), 100 * share)
    assert "Least often right: C+L 20 %, C 90 %" in figure.get_label()


@pytest.mark.parametrize(("found", "words"), [(["C", "D"], "none"), (["C", "C+D"], "D taken for C+D")])
def test_judged_maps_say_which_are_wrong(found, words):
    figure = judged_maps(MAPS[:2, 0], ["C", "D"], found)
    assert f"Wrong: {words}." in figure.get_label()
    titles = [axes.get_title(loc="center") for axes in figure.axes if axes.images]
    assert titles == ["C", "D"]
