"""Laws of the page's parts: contents, links, headings, tables that sort, values on hover, models side by side."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from mixup_jax.evaluation.predictions import Predictions
from mixup_jax.report.charts import MOST, curve_panels, has_bins, reliability_diagram
from mixup_jax.report.conditions import across_models, group, lowest
from mixup_jax.report.page import write_page
from mixup_jax.report.plots.figures import calibration_errors
from mixup_jax.report.runs import load_runs
from mixup_jax.report.tables import Row, Table
from mixup_jax.runtime.run_folder import write_predictions


class Page(HTMLParser):
    """Collect ids, links, levels of headings, and the cells of tables: (attributes, text)."""

    def __init__(self, content):
        super().__init__()
        self.ids, self.links, self.headings, self.tables = [], [], [], []
        self.content = content
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"][1:]] if tag == "a" else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), attributes.get("id")))
        if tag == "table":
            self.tables.append((attributes, []))
        if tag == "tr":
            self.tables[-1][1].append((attributes, []))
        if tag in ("td", "th"):
            self.tables[-1][1][-1][1].append([attributes, ""])

    def handle_data(self, data):
        if self.tables and self.tables[-1][1] and self.tables[-1][1][-1][1]:
            self.tables[-1][1][-1][1][-1][1] += data


@pytest.fixture
def everything(make_run, tmp_path):
    """A page with every section: two models, two methods, an unfinished run, predictions, a table, a warning."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, 10, 50).astype(np.int32)
    predicted = np.where(generator.random((2, 50)) < 0.7, label, 0).astype(np.int32)
    said = Predictions(label, predicted, *generator.random((2, 2, 50), np.float32))
    for model in ("preact_resnet", "mlp"):
        for alpha in (0.0, 1.0):
            folder = make_run(f"{model}-{alpha}", alpha=alpha, errors=said.errors().tolist(), model=model)
            start = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(start | {"data": {"classes": list("abcdefghij")}}))
            write_predictions(folder, said)
    make_run("unfinished", alpha=0.4, errors=[4.0], done=3)
    rows = (Row("ERM", ((5.0, 6.0), (7.0,)), (5.6, None)), Row("mixup", ((4.0,), ()), (None, 4.0)))
    tables = [(tmp_path, Table("x", "Table 2", "", "REAL", "d", "m", ("error, %", "loss"), rows, (0,)))]
    return write(tmp_path, tables=tables, warnings=["a file"])


def write(folder, **options):
    write_page(load_runs([folder])[0], folder / "page.html", **{"title": "Results", **options})
    return Page((folder / "page.html").read_text())


def test_contents_link_to_every_section_and_every_link_leads_somewhere(everything):
    page = everything
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    contents = re.findall(r'href="#(.*?)"', page.content.partition("</nav>")[0])
    sections = [place for level, place in page.headings if level == 2]
    assert [place for place in contents if place in sections] == sections
    assert len(sections) == 9


def test_headings_are_in_order(everything):
    levels = [level for level, _ in everything.headings]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_rows_runs_and_what_they_tell_link_to_each_other(everything):
    for number in range(1, 6):
        part = everything.content.partition(f'id="run-{number}"')[2].partition("</section>")[0]
        places = re.findall(r'href="#(\w+)-\d+"', part)
        assert places == ["result", "curves", *(["calibration", "mistakes"] if "mistakes" in places else [])]
    assert everything.content.count(">where it errs</a>") == 4
    assert {f"run-{number}" for number in range(1, 6)} <= set(everything.links)


def test_every_table_sorts_by_its_numbers(everything):
    sortable = [(attributes, rows) for attributes, rows in everything.tables if "sortable" in attributes["class"]]
    assert len(everything.tables) - len(sortable) == 4  # confusion matrices: their order is that of the classes
    for _, (head, *rows) in sortable:
        body = [cells for attributes, cells in rows if attributes.get("class") == "row"]
        assert body
        for column in zip(*body, strict=True):
            values = [attributes.get("data-value") for attributes, _ in column]
            for value, (_, text) in zip(values, column, strict=True):
                shown = re.match(r"\s*([+\u2212\d][\d.,]*)(?= |%|\u00b1|n|$)", text)
                if value and shown and " to " not in text and not re.search(r"min|h|s$", text.strip()):
                    number = float(shown[1].replace("\u2212", "-").replace(",", ""))
                    assert number == pytest.approx(float(value), rel=0.01, abs=0.051) or "%" in head[1][-1][1]
            if any(value is not None for value in values):
                assert None not in values
                assert all(value == "" or np.isfinite(float(value)) for value in values)


@pytest.mark.parametrize("runs", [1, 3, 30])
def test_a_page_of_n_runs_has_n_rows_and_n_runs(make_run, tmp_path, runs):
    for number in range(runs):
        digest = f"{number:064x}"
        make_run(f"{number}", alpha=0.1 * number, errors=[5.0 + number], params_digest=digest, epochs=2)
    page = write(tmp_path)
    assert len([1 for attributes, _ in page.tables[0][1] if attributes.get("class") == "row"]) == runs
    assert page.content.count('<section class="run"') == runs
    assert page.content.count('<polyline class="curve') == 2 * min(runs, MOST)
    assert (f"the {MOST} of {runs} methods" in page.content) == (runs > MOST)


def test_hover_tells_every_value_that_is_drawn(two_methods):
    conditions = group(load_runs([two_methods])[0])
    for panel, name in zip(curve_panels(conditions), ("test_error", "train_loss"), strict=True):
        stops = panel.stops()
        assert (stops[0][0], round(stops[-1][0] + stops[-1][1], 1)) == (panel.x.start, panel.x.end)
        for condition in conditions:
            epochs, values = condition.curve(name)
            assert len(stops) == len(epochs)
            for epoch, row, (left, width, words) in zip(epochs, values, stops, strict=True):
                assert left <= panel.x(epoch) <= left + width
                low, mean, high = (f"{value:.2f}" for value in (row.min(), row.mean(), row.max()))
                spread = f" ({low} to {high})" if low != high else ""
                assert f"\n{condition.label}: {mean}{spread}" in words
                assert words.startswith(f"epoch {epoch:g}\n")


def test_a_curve_of_bad_numbers_is_drawn_without_them(make_run):
    folder = make_run("erm", alpha=0.0, errors=[5.0], epochs=4)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line, bad in zip(lines, (None, 1e300, 1e308), strict=False):
        line["test_error"] = [bad]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    panels = curve_panels(group(load_runs([folder])[0]))
    assert [len(panel.lines[0].epochs) for panel in panels] == [1, 4]


def test_a_curve_of_the_smallest_numbers_has_an_axis(make_run):
    folder = make_run("erm", alpha=0.0, errors=[5.0], epochs=1)
    line = json.loads((folder / "metrics.jsonl").read_text()) | {"epoch": 5e-324, "test_error": [5e-324]}
    (folder / "metrics.jsonl").write_text(json.dumps(line))
    assert [axis.ticks[-1][1] for panel in curve_panels(group(load_runs([folder])[0])) for axis in (panel.x, panel.y)]


def test_a_diagram_has_the_calibration_error_and_the_bins_of_the_run(two_methods):
    for condition in group(load_runs([two_methods])[0]):
        (run,) = condition.runs
        diagram = reliability_diagram(condition)
        assert diagram.error.mean == pytest.approx(np.mean(calibration_errors(run)))
        filled = run.reliability["count"][0] > 0
        np.testing.assert_allclose([each.accuracy for each in diagram.bins], run.reliability["accuracy"][0][filled])
        np.testing.assert_allclose([each.count for each in diagram.bins], run.reliability["count"][0][filled])


def test_runs_with_other_bins_have_no_diagram_together(make_run, tmp_path):
    one, _ = (make_run(f"seed-{seed}", alpha=0.0, errors=[5.0], seeds=[seed]) for seed in (0, 1))
    assert [has_bins(each) for each in group(load_runs([tmp_path])[0])] == [True]
    result = json.loads((one / "result.json").read_text())
    result["reliability"] = {name: [row[:-1] for row in rows] for name, rows in result["reliability"].items()}
    (one / "result.json").write_text(json.dumps(result))
    assert [has_bins(each) for each in group(load_runs([tmp_path])[0])] == [False]


def test_models_on_the_same_data_are_compared_seed_by_seed(make_run, tmp_path):
    make_run("a", alpha=0.0, errors=[5.0, 6.0, 7.0], model="wide")
    make_run("b", alpha=0.0, errors=[4.0, 5.5, 6.0], model="deep")
    make_run("c", alpha=0.0, errors=[1.0, 1.0, 1.0], model="deep", dataset="cifar10")
    make_run("d", alpha=0.0, errors=[9.0], seeds=[7], model="tall")
    ((name, rivals),) = across_models(group(load_runs([tmp_path])[0]))
    assert name == "fashion_mnist · SYNTHETIC"
    assert [rival.condition.setting[1] for rival in rivals] == ["deep", "wide", "tall"]
    assert rivals[1].behind.mean == pytest.approx((1.0 + 0.5 + 1.0) / 3)
    assert (rivals[0].behind, rivals[2].behind) == (None, None)


def test_the_lowest_of_each_setting_come_first(make_run, tmp_path):
    for model, errors in (("easy", (1.0, 2.0, 3.0)), ("hard", (50.0, 40.0))):
        for error in errors:
            make_run(f"{model}-{error}", alpha=error, errors=[error], model=model, epochs=1)
    conditions = group(load_runs([tmp_path])[0])
    assert [condition.last_error for condition in lowest(conditions, 3)] == [1.0, 2.0, 40.0]
    assert lowest(conditions, 5) == conditions


SCRIPT = """
const heads = document.querySelectorAll("table.results thead button");
const column = () => [...document.querySelectorAll("table.results tr.row")].map((row) => row.cells[1].dataset.value);
heads[1].click(); const up = column(); heads[1].click(); const down = column();
const input = document.querySelector("input"); input.value = "ALPHA 0.3"; input.dispatchEvent(new Event("input"));
const kept = [...document.querySelectorAll("table.results tr.row:not([hidden])")];
const shown = kept.map((row) => row.cells[0].textContent.trim());
document.title = JSON.stringify({ up, down, shown });
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_in_a_browser_numbers_sort_as_numbers_and_rows_are_filtered(make_run, tmp_path):
    errors = [5.0, 10.0, 4.0, 100.0, 9.5, 30.0, 7.0, 8.0]
    for number, error in enumerate(errors):
        make_run(f"{number}", alpha=0.1 * number, errors=[error], params_digest=str(number), epochs=1)
    content = write(tmp_path).content.replace("</body>", f"<script>{SCRIPT}</script></body>")
    (tmp_path / "tried.html").write_text(re.sub("<meta http-equiv.*?>", "", content))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, tmp_path / "tried.html"], capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(re.search("<title>(.*?)</title>", done.stdout)[1])
    assert [float(value) for value in found["up"]] == sorted(errors)
    assert found["down"] == found["up"][::-1]
    assert found["shown"] == ["mixup, alpha = 0.3"]
