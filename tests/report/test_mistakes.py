"""Laws of "Where it errs": what the page and the pictures say is what the predictions say, in any script."""

import html
import json
import re
import shutil

import numpy as np
import pytest

from mixup_jax.evaluation.predictions import Predictions, confused_pairs, confusion, errors_by_class, worst_examples
from mixup_jax.report.conditions import group
from mixup_jax.report.mistakes import find_mistakes
from mixup_jax.report.page import write_page
from mixup_jax.report.plots.drawing import png_bytes, save_png
from mixup_jax.report.plots.illustrations import beta_densities
from mixup_jax.report.plots.mistakes import class_errors, confusion_matrix, worst_images
from mixup_jax.report.runs import load_runs
from mixup_jax.runtime.run_folder import PREDICTIONS, write_predictions

NAMES = ("cat", "\u732b", "\u05d7\u05ea\u05d5\u05dc", "$x_1$ <script>", "a name that is much too long for a figure", "")


@pytest.fixture
def said():
    """Two networks on 60 images of six classes."""
    generator = np.random.default_rng(1)
    label = generator.integers(0, len(NAMES), 60).astype(np.int32)
    guess = generator.integers(0, len(NAMES), (2, 60))
    predicted = np.where(generator.random((2, 60)) < 0.6, label, guess).astype(np.int32)
    confidence, loss = generator.random((2, 2, 60), np.float32)
    return Predictions(label, predicted, confidence, loss)


@pytest.fixture
def run_folder(make_run, said):
    """A finished run that has kept its predictions."""
    folder = make_run("erm", alpha=0.0, errors=said.errors().tolist())
    start = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(start | {"data": {"classes": NAMES}}))
    write_predictions(folder, said)
    return folder


def test_bars_and_cells_are_what_was_counted(said):
    bars = class_errors(said, NAMES).axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([row.error for row in errors_by_class(said)])
    axes = confusion_matrix(said, NAMES).axes[0]
    counts = confusion(said, len(NAMES))
    share = 100 * counts / counts.sum(axis=1, keepdims=True)
    cells = {(round(each.get_position()[1] - 0.5), round(each.get_position()[0] - 0.5)): each for each in axes.texts}
    assert len(cells) == np.count_nonzero(counts)
    for place, cell in cells.items():
        assert float(cell.get_text()) == pytest.approx(share[place], abs=0.5)


def test_of_many_classes_the_worst_are_drawn_and_no_matrix():
    label = np.arange(100, dtype=np.int32)
    predicted = np.where(label < 40, 99, label).astype(np.int32)[None]
    zeros = np.zeros((1, 100), np.float32)
    said, names = Predictions(label, predicted, zeros, zeros), tuple(map(str, label))
    axes = class_errors(said, names).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [100] * 30
    assert "30 of 100" in axes.get_title(loc="left")
    with pytest.raises(ValueError, match="at most 30"):
        confusion_matrix(said, names)


@pytest.mark.thorough
@pytest.mark.parametrize("channels", [1, 3])
def test_names_in_any_script_are_drawn_or_numbered(said, channels):
    worst = worst_examples(said, 18)
    images = np.zeros((18, 8, 8, channels), np.uint8)
    figure = worst_images(images, worst, 2, NAMES)
    assert png_bytes(figure)  # without a warning of a letter that is missing
    labels = [axes.get_xlabel().split("\n")[0] for axes in figure.axes]
    shown = ("cat", "class 1", "class 2", "$x_1$ <script>", "a name that is mu\u2026", "class 5")
    assert labels == [shown[each.label] for each in worst]
    assert png_bytes(class_errors(said, NAMES))
    assert png_bytes(confusion_matrix(said, NAMES))


def test_the_page_has_the_pairs_that_are_confused_most(run_folder, said, tmp_path):
    runs, warnings = load_runs([run_folder])
    save_png(beta_densities((1.0,)), run_folder / "figures" / "worst_images.png")
    save_png(beta_densities((2.0,)), run_folder / "figures" / "confusion.png")
    write_page(runs, tmp_path / "page.html", title="Results", warnings=warnings)
    content = (tmp_path / "page.html").read_text()
    assert warnings == []
    assert content.count('<details class="mistakes" id="mistakes-1" open>') == 1
    section = content.partition("Where it errs")[2].partition("</details>")[0]
    table = section.partition("Most confused</caption>")[2].partition("</table>")[0]
    name = "<bdi>(.*?)</bdi>"
    row = rf'<th scope="row">{name}</th><td>{name}</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>'
    found = re.findall(row, table)
    escaped = [html.escape(name) or "class 5" for name in NAMES]
    assert found == [
        (escaped[pair.label], escaped[pair.predicted], f"{pair.examples:.1f}", f"{100 * pair.share:.1f}")
        for pair in confused_pairs(said, 10)
    ]
    assert content.count("data:image/png;base64,") == 1
    assert "data:image/png;base64," in section


def test_several_runs_are_folded(run_folder, tmp_path):
    other = run_folder.with_name("other")
    shutil.copytree(run_folder, other)
    result = json.loads((other / "result.json").read_text())
    (other / "result.json").write_text(json.dumps(result | {"params_digest": "00" * 32, "method": "other"}))
    write_page(load_runs([tmp_path])[0], tmp_path / "page.html", title="Results")
    content = (tmp_path / "page.html").read_text()
    assert re.findall(r'<details class="mistakes" id="mistakes-(\d)">', content) == ["1", "2"]


def test_classes_cells_and_worst_images_are_told_as_text_in_any_script(run_folder, said, tmp_path):
    write_page(load_runs([run_folder])[0], tmp_path / "page.html", title="Results")
    content = (tmp_path / "page.html").read_text()
    by_class, worst = (
        content.partition(f"{caption}</caption>")[2].partition("</table>")[0]
        for caption in ("Error by class", "The test images with the largest loss")
    )
    names = [html.escape(name) or "class 5" for name in NAMES]
    rows = re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th><td[^>]*>\d+</td><td[^>]*>(.*?)</td>', by_class)
    assert rows == [(names[row.label], f"{row.error:.2f}") for row in errors_by_class(said)]
    shown = [(str(each.index), names[each.label]) for each in worst_examples(said, 18)]
    assert re.findall(r'data-value="(\d+)">\d+</th><td><bdi>(.*?)</bdi>', worst) == shown
    told = dict(re.findall(r'data-told="(.*?): (.*?) %', content))
    counts = confusion(said, len(NAMES))
    for row, column in zip(*np.nonzero(counts), strict=True):
        key = " as ".join(html.escape(NAMES[place]) or str(place) for place in (row, column))
        assert told[key] == f"{100 * counts[row, column] / counts[row].sum():.2f}"


def test_of_many_runs_those_with_the_lowest_error_are_told_and_how_many_there_are(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("mixup_jax.report.mistakes.MOST_RUNS", 2)
    result = json.loads((run_folder / "result.json").read_text())
    for name in ("second", "third"):
        shutil.copytree(run_folder, run_folder.with_name(name))
        changed = {"params_digest": name, "method": name, "model": "mlp"}
        (run_folder.with_name(name) / "result.json").write_text(json.dumps(result | changed))
    write_page(load_runs([tmp_path])[0], tmp_path / "page.html", title="Results")
    content = (tmp_path / "page.html").read_text()
    assert content.count('<details class="mistakes"') == 2
    assert "Shown are 2 of 3 runs" in content


def test_each_alpha_has_its_own_networks(make_run, said):
    errors = said.errors().tolist()
    folder = make_run("both", alpha=0.0, errors=errors, seeds=[0, 0])
    start, result = (json.loads((folder / name).read_text()) for name in ("config.json", "result.json"))
    start["config"] |= {"mixing": {"name": "mixup", "alpha": [0.0, 1.0]}, "seeds": 1}
    start["data"] = {"classes": NAMES}
    (folder / "config.json").write_text(json.dumps(start))
    (folder / "result.json").write_text(json.dumps(result))
    write_predictions(folder, said)
    runs, warnings = load_runs([folder])
    assert warnings == []
    assert [run.predictions.errors().tolist() for run in runs] == [[error] for error in errors]


def test_a_run_without_predictions_has_no_section_and_no_warning(make_run, tmp_path):
    runs, warnings = load_runs([make_run("old", alpha=0.0, errors=[5.0])])
    assert (runs[0].predictions, warnings) == (None, [])
    write_page(runs, tmp_path / "page.html", title="Results")
    assert "Where it errs" not in (tmp_path / "page.html").read_text()


def test_predictions_of_other_networks_or_a_damaged_file_are_a_warning(run_folder, said):
    right = said.label[None].repeat(2, axis=0)
    for damage in (
        lambda path: write_predictions(path.parent, Predictions(said.label, right, said.confidence, said.loss)),
        lambda path: path.write_bytes(b"PK"),
        lambda path: (path.unlink(), path.mkdir()),
    ):
        damage(run_folder / PREDICTIONS)
        runs, warnings = load_runs([run_folder])
        assert runs[0].predictions is None
        assert len(warnings) == 1
        assert PREDICTIONS in warnings[0]
    assert find_mistakes(group(runs)) == ([], [])
