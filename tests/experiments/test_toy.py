"""Laws of figure 1(b)'s experiment: mixup widens the transition, and what is drawn is what was counted."""

import json

import numpy as np
import pytest

from experiments import toy
from mixup_jax.report.plots.paper_figures import Surface, decision_surfaces
from mixup_jax.report.tables import find_tables


@pytest.mark.slow
def test_the_smoke_run_shows_that_mixup_goes_over_from_class_to_class_more_slowly(tmp_path, monkeypatch):
    toy.main(smoke=True, workdir=tmp_path)
    ((_, table),), _ = find_tables([tmp_path])
    assert [row.label for row in table.rows] == ["ERM", "mixup, alpha = 1"] * 2
    assert (tmp_path / table.figures[0][0]).is_file()
    for erm, mixup in zip(table.rows[::2], table.rows[1::2], strict=True):
        assert np.mean(mixup.values[1]) > np.mean(erm.values[1]) + 5
    monkeypatch.chdir(tmp_path)
    toy.main(smoke=True)
    again = tmp_path / "runs" / "toy" / "alpha-1-seeds-5-steps-2000-smoke"
    rows, rows_again = (json.loads((folder / "table.json").read_text())["rows"] for folder in (tmp_path, again))
    assert rows == rows_again


def test_a_probability_of_nan_is_no_right_answer():
    points, label = np.zeros((4, 2), np.float32), np.array([0, 0, 1, 1])
    probability = np.array([[[0.1, np.nan, np.nan, 0.9]]])
    table = toy.table({"circles": (probability, probability, (points, label), (points, label))}, ("ERM",), 1)
    assert table.rows[0].values[0] == (50.0,)


def test_class_1_is_around_class_0():
    x, label = toy.draw_points("circles", 100, 0)
    radius = np.linalg.norm(x, axis=1)
    assert radius[label == 1].min() > radius[label == 0].max()
    assert np.bincount(label).tolist() == [50, 50]


def test_the_points_of_the_picture_go_row_by_row_from_the_bottom_left():
    x, _ = toy.draw_points("moons", 100, 0)
    left, right, bottom, top = toy.extent(x)
    points = toy.grid_points(x).reshape(toy.SIDE, toy.SIDE, 2)
    np.testing.assert_allclose(points[0, 0], (left, bottom), rtol=1e-5)
    np.testing.assert_allclose(points[0, -1], (right, bottom), rtol=1e-5)
    np.testing.assert_allclose(points[-1, 0], (left, top), rtol=1e-5)


def test_the_picture_says_how_wide_the_transition_is():
    probability = np.repeat(np.linspace(0, 1, 100)[None], 3, axis=0)
    surface = Surface("ramp", probability, np.zeros((2, 2)), np.array([0, 1]), (0.0, 1.0, 0.0, 1.0))
    figure = decision_surfaces([[surface, surface]])
    assert len(figure.axes) == 3
    assert "ramp: 80 % of the picture" in figure.get_label()


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": float("nan")}, {"seeds": 0}])
def test_what_is_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        toy.main(**options)
