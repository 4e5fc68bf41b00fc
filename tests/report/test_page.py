"""Laws of the page: it needs nothing from outside, trusts nothing, and says what the runs say."""

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser

import pytest

from mixup_jax.evaluation.metrics import METRICS
from mixup_jax.report.page import write_page
from mixup_jax.report.plots.drawing import save_png
from mixup_jax.report.plots.illustrations import beta_densities
from mixup_jax.report.runs import load_runs

HOSTILE = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>\"'"


class Tags(HTMLParser):
    """Collect tags, attributes and visible text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(tmp_path):
    def write(folder=tmp_path, **options):
        runs, warnings = load_runs([folder])
        write_page(runs, tmp_path / "report.html", **{"title": "Results", "warnings": warnings, **options})
        return (tmp_path / "report.html").read_text()

    return write


@pytest.fixture
def text(page):
    """The words of the page."""
    return lambda **options: Tags(page(**options)).text


def test_the_page_needs_no_network_and_runs_no_script_but_its_own(two_methods, page):
    content = page(figures=[("Densities", beta_densities())])
    for tag, attributes in Tags(content).tags:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "action"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?://", content)
    (script,) = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert policy in [attributes.get("content") for tag, attributes in Tags(content).tags if tag == "meta"]
    assert "innerHTML" not in script


def test_hostile_strings_are_text(make_run, page):
    fields = dict.fromkeys(("method", "model", "dataset", "mark", "command", "commit", "device", "preset"), HOSTILE)
    paper = {"test_error": 5.6, "source": HOSTILE}
    folder = make_run("erm", alpha=0.0, errors=[5.5], paper=paper, params_digest=HOSTILE, **fields)
    start = json.loads((folder / "config.json").read_text())
    start["config"][HOSTILE] = HOSTILE
    (folder / "config.json").write_text(json.dumps(start))
    parsed = Tags(page(title=HOSTILE, warnings=[HOSTILE]))
    assert [attributes for tag, attributes in parsed.tags if tag == "script"] == [{}]
    assert not any(tag == "img" and attributes.get("src") == "x" for tag, attributes in parsed.tags)
    assert all("onerror" not in attributes for _, attributes in parsed.tags)
    assert parsed.text.count("<script>alert(1)</script>") >= len(fields)


def test_the_same_runs_give_the_same_bytes(two_methods, page):
    assert page() == page()


def test_the_table_tells_mean_spread_interval_and_difference(two_methods, text):
    words = text()
    for part in ("5.60 ± 0.10", "n = 3", "5.35 to 5.85", "4.30 ± 0.17", "12 min 34 s", "12,300", "012345678"):
        assert part in words
    assert "test error −1.30 points (95 % interval −1.55 to −1.05, paired over 3 seeds; p = 0.002)" in words


SHOWN = [name for name, metric in METRICS.items() if metric.title and name not in ("test_error", "overconfidence")]


@pytest.mark.parametrize("name", SHOWN)
def test_a_metric_is_shown_where_it_was_measured(make_run, text, name):
    folder = make_run("erm", alpha=0.0, errors=[5.0, 6.0], test_ece=None, train_subset_error=None)
    content = json.loads((folder / "result.json").read_text())
    assert "71.00" not in text()
    (folder / "result.json").write_text(json.dumps(content | {name: [70.0, 72.0]}))
    table = text().partition("Test error after")[0]
    assert re.search(rf"{METRICS[name].title}.*71.00 ± 1.41", table)


def test_one_seed_shows_no_interval(make_run, text):
    make_run("erm", alpha=0.0, errors=[5.5])
    words = text()
    assert "5.50 n = 1 — " in words
    assert "±" not in words.replace("mean ± sd", "")


def test_the_papers_number_stands_only_where_the_result_has_one(make_run, text, page):
    make_run("ours", alpha=0.0, errors=[5.5])
    make_run("theirs", alpha=1.0, errors=[4.2], paper={"test_error": 4.2, "source": "Figure 3(a)"})
    cells = re.findall(r'data-label="Paper"[^>]*><div>(.*?)</div>', page())
    assert cells == ["—", "4.2<small>Figure 3(a)</small>"]


def test_an_unfinished_run_is_shown_with_its_progress(make_run, page):
    make_run("mixup", alpha=1.0, errors=[4.2, 4.3], done=7)
    parsed = Tags(page())
    assert "UNFINISHED epoch 7 of 20" in parsed.text
    assert ("progress", {"value": "7.0", "max": "20.0", "aria-label": "epochs done"}) in parsed.tags


def test_a_run_that_has_not_begun_and_no_run_at_all_are_pages_too(make_run, page):
    assert "No runs to show" in page()
    folder = make_run("mixup", alpha=1.0, errors=[4.2], done=1)
    (folder / "metrics.jsonl").unlink()
    assert "epoch 0 of 20" in Tags(page()).text


def test_each_run_tells_what_it_was_and_where_it_differs(two_methods, text, page):
    words = text()
    assert "python -m experiments.cifar small --mixing.alpha 1.0 --seeds 3" in words
    assert "jax 0.10.2, flax 0.12.9, python 3.11.7" in words
    assert "5f" * 32 in words
    differing = re.findall(r"Differs from others in</dt><dd>(.*?)</dd>", page())
    fields = [re.findall(r"<code>(.*?)</code>", part) for part in differing]
    assert fields[0] == ["mixing.name = erm"]
    assert {"mixing.name = mixup", "mixing.alpha = 1.0"} < set(fields[1])
    (shared,) = re.findall(r'id="configuration">(.*?)</details>', page(), re.DOTALL)
    assert "batch_size = 128" in shared
    assert "mixing." not in shared


def test_pictures_of_runs_are_shown_once_and_broken_ones_named(two_methods, text, page):
    for run in ("erm", "mixup"):
        save_png(beta_densities((1.0,)), two_methods / run / "figures" / "mixed_samples.png")
    (two_methods / "erm" / "figures" / "broken.png").write_text("<svg onload=alert(1)>")
    content = page()
    assert content.count("data:image/png;base64,") == 1
    assert "broken.png" in Tags(content).text
    assert "onload" not in content


def test_pictures_that_lie_elsewhere_do_not_get_into_the_page(two_methods, tmp_path, page):
    save_png(beta_densities((1.0,)), tmp_path / "private.png")
    figures = two_methods / "erm" / "figures"
    figures.mkdir()
    (figures / "link.png").symlink_to(tmp_path / "private.png")
    (figures / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(figures / "pipe.png")
    (tmp_path / "album").mkdir()
    save_png(beta_densities((1.0,)), tmp_path / "album" / "other.png")
    (two_methods / "mixup" / "figures").symlink_to(tmp_path / "album")  # the whole folder
    content = page()
    assert "data:image/png;base64," not in content
    for name in ("link.png", "endless.png", "pipe.png", "other.png"):
        assert f"{name}: " in Tags(content).text


def test_every_picture_has_words_and_every_header_a_scope(two_methods, page):
    parsed = Tags(page())
    assert all(attributes.get("alt") for tag, attributes in parsed.tags if tag == "img")
    assert all(attributes.get("scope") for tag, attributes in parsed.tags if tag == "th")
    assert "viewport" in [attributes.get("name") for tag, attributes in parsed.tags if tag == "meta"]


def test_a_run_whose_mark_is_not_known_yet_has_a_place(make_run, text):
    folder = make_run("mixup", alpha=0.4, errors=[4.2], done=3)
    start = json.loads((folder / "config.json").read_text())
    for name in ("method", "model", "dataset", "mark"):
        del start[name]
    (folder / "config.json").write_text(json.dumps(start))
    assert "fashion_mnist · preact_resnet mixup, alpha = 0.4" in text()
