"""Laws of the pictures of runs: something is drawn, the same bytes each time, and the numbers are the runs'."""

import json

import pytest

from mixup_jax.report.plots import illustrations
from mixup_jax.report.plots.drawing import data_uri, png_bytes, save_png, svg_text
from mixup_jax.report.plots.figures import calibration_errors, learning_curves, reliability_diagram
from mixup_jax.report.runs import load_runs


def draw(name, folder):
    runs, _ = load_runs([folder])
    return {
        "curves": lambda: learning_curves(runs),
        "reliability": lambda: reliability_diagram(runs),
        "densities": lambda: illustrations.beta_densities(),
    }[name]()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["curves", "reliability", "densities"])
def test_two_calls_give_the_same_bytes_and_no_axes_are_empty(two_methods, name):
    figure = draw(name, two_methods)
    assert all(axes.has_data() for axes in figure.axes)
    assert figure.get_label()
    again = draw(name, two_methods)
    assert data_uri(figure) == data_uri(again)
    assert png_bytes(figure) == png_bytes(again) == png_bytes(figure)


def test_a_line_is_the_mean_and_the_band_reaches_from_lowest_to_highest(make_run):
    (run,), _ = load_runs([make_run("erm", alpha=0.0, errors=[5.0, 6.0, 8.5])])
    axes = learning_curves([run]).axes[0]
    values = run.curves["test_error"]
    assert axes.lines[0].get_ydata() == pytest.approx(values.mean(axis=1))
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (pytest.approx(values.min()), pytest.approx(values.max()))


def test_the_validation_error_is_drawn_beside_the_test_error_where_there_is_one(make_run):
    folder = make_run("erm", alpha=0.0, errors=[5.0, 6.0])
    (run,), _ = load_runs([folder])
    assert len(learning_curves([run]).axes[0].get_lines()) == 2  # one of them is empty
    assert "validation" not in learning_curves([run]).legends[0].get_texts()[-1].get_text()
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"valid_error": [1.0, 3.0]}) + "\n" for line in lines))
    (run,), _ = load_runs([folder])
    figure = learning_curves([run])
    assert set(figure.axes[0].get_lines()[1].get_ydata()) == {2.0}
    assert "validation error" in figure.legends[0].get_texts()[-1].get_text()


def test_one_seed_has_no_band(make_run):
    (run,), _ = load_runs([make_run("erm", alpha=0.0, errors=[5.0])])
    assert len(learning_curves([run]).axes[0].collections) == 0


def test_the_calibration_error_of_bins_is_the_weighted_gap(make_run):
    bins = {"count": [[0, 30, 10]], "confidence": [[None, 0.5, 0.9]], "accuracy": [[None, 0.6, 0.5]]}
    (run,), _ = load_runs([make_run("erm", alpha=0.0, errors=[5.0], reliability=bins)])
    assert calibration_errors(run) == [pytest.approx(100 * (0.75 * 0.1 + 0.25 * 0.4))]
    assert "ECE 17.50 %" in reliability_diagram([run]).axes[0].get_title(loc="left")


def test_nothing_to_draw_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="runs holds nothing to draw"):
        learning_curves([])


def test_hostile_names_are_drawn_as_they_are(make_run):
    method = "_$\\frac{1}{0}$ <script>"
    (run,), _ = load_runs([make_run("erm", alpha=0.0, errors=[5.0], method=method)])
    figure = learning_curves([run])
    assert "<script" not in svg_text(figure)
    assert method in figure.legends[0].get_texts()[0].get_text()


def test_the_users_matplotlib_settings_change_nothing(two_methods):
    import matplotlib

    expected = png_bytes(draw("curves", two_methods))
    with matplotlib.rc_context({"savefig.bbox": "tight", "font.size": 20, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        assert png_bytes(draw("curves", two_methods)) == expected
        assert dict(matplotlib.rcParams) == before


def test_saved_png_holds_its_description_and_no_date(two_methods, tmp_path):
    figure = draw("curves", two_methods)
    save_png(figure, tmp_path / "new" / "curves.png")
    content = (tmp_path / "new" / "curves.png").read_bytes()
    assert content == png_bytes(figure)
    assert b"Description" in content
    assert b"Creation Time" not in content
    assert b"Software" not in content
