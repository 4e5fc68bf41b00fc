"""Laws of the paper's tables: they come back as written, no file makes the report crash, page and terminal tell all."""

import io
import json
import re
from dataclasses import replace
from html import unescape

import pytest
from rich.console import Console

from experiments.commands.paper_table import write_table
from experiments.report import main
from mixup_jax.report.page import write_page
from mixup_jax.report.plots.drawing import save_png
from mixup_jax.report.plots.illustrations import beta_densities
from mixup_jax.report.tables import Row, Table, find_tables, read_table, to_json
from mixup_jax.report.terminal import paper_table

HOSTILE = "</h2><script>alert(1)</script>\"'"
TABLE = Table(
    experiment="corrupted_labels",
    title="Table 2: corrupted labels",
    text="Invented numbers.",
    mark="SYNTHETIC",
    dataset="fashion_mnist",
    model="preact_resnet",
    columns=("best, %", "last, %"),
    rows=(
        Row("ERM", ((5.4, 5.5, 5.7), (8.0,)), (12.7, None), group="20 % corrupted"),
        Row("mixup [red]", ((4.2, 4.2, 4.5), ()), (5.9, None), group="20 % corrupted", note="unconfirmed"),
        Row("ERM", ((-1.0, 1.0), (9.0, 9.0)), (0.05, None), group="50 % corrupted"),
    ),
    seeds=(0, 1, 2),
    source="Table 2; CIFAR-10",
    figures=(("figures/curve.png", "A curve."),),
    command="python -m experiments.corrupted_labels",
    commit="0123456789abcdef",
    device="cpu, 2 cores",
    versions="jax 0.10.2",
)


def written(folder, content=None):
    """Write table.json as it is, or with another content; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.json").write_text(json.dumps(to_json(TABLE) if content is None else content))
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder with the table and its picture."""
    save_png(beta_densities((1.0,)), tmp_path / "runs" / "table" / "figures" / "curve.png")
    return written(tmp_path / "runs" / "table")


def page(path, tmp_path, **options):
    tables, warnings = find_tables([path])
    write_page([], tmp_path / "page.html", title="Results", tables=tables, warnings=warnings, **options)
    return (tmp_path / "page.html").read_text()


def words(html):
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", html.split("<body>")[1]).split()))


def test_a_table_comes_back_as_written(folder):
    assert find_tables([folder]) == ([(folder, TABLE)], [])
    assert read_table(to_json(TABLE)) == TABLE


def test_what_an_experiment_writes_says_how_it_was_made(tmp_path, capsys):
    made = write_table(tmp_path, replace(TABLE, command="", commit="", device="", versions=""))
    assert find_tables([tmp_path])[0] == [(tmp_path, made)]
    assert "jax " in made.versions
    assert made.command
    assert made.device
    assert TABLE.title in capsys.readouterr().out


def test_a_number_that_is_not_finite_is_null_and_shown_as_missing(tmp_path):
    row = Row("ERM", ((float("nan"), float("inf")), (1.0,)), (None, None))
    content = json.loads(json.dumps(to_json(replace(TABLE, rows=(row,))), allow_nan=False))
    assert content["rows"][0]["values"][0] == [None, None]
    assert "ERM n = 2, 1 — 1.00" in words(page(written(tmp_path, content), tmp_path))


def test_a_row_that_does_not_fit_the_columns_is_refused():
    with pytest.raises(ValueError, match="row ERM has 1 values and 2 numbers of the paper, needs one per column: 2"):
        replace(TABLE, rows=(Row("ERM", ((1.0,),), (None, None)),))


def test_tables_are_found_once_at_any_depth_by_title_and_not_inside_runs(folder, make_run, tmp_path):
    written(make_run("erm", alpha=0.0, errors=[5.5]) / "checkpoints")
    first = written(tmp_path / "runs" / "z" / "deep", to_json(replace(TABLE, title="Figure 2")))
    tables, warnings = find_tables([tmp_path, folder])
    assert [where for where, _ in tables] == [first, folder]
    assert warnings == []


MALFORMED = {
    "empty": "",
    "a list": "[]",
    "no fields": "{}",
    "deep": '{"a":' * 900 + "1" + "}" * 900,
    "no title": {"title": None},
    "no columns": {"columns": []},
    "columns no list": {"columns": "best"},
    "rows no objects": {"rows": ["ERM"]},
    "no rows": {"rows": []},
    "a row too short": {"columns": ["best, %", "last, %", "more"]},
    "values no lists": {"rows": [{"label": "x", "values": [1.0, 2.0], "paper": [None, None]}]},
    "values no numbers": {"rows": [{"label": "x", "values": [["1"], []], "paper": [None, None]}]},
    "paper no number": {"rows": [{"label": "x", "values": [[], []], "paper": ["5.6", None]}]},
    "paper true": {"rows": [{"label": "x", "values": [[], []], "paper": [True, None]}]},
    "number out of range": {"rows": [{"label": "x", "values": [[10**400], []], "paper": [None, None]}]},
    "seeds no integers": {"seeds": ["a"]},
    "figures no objects": {"figures": ["figures/curve.png"]},
}


@pytest.mark.thorough
@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_table_is_one_line_that_names_it(folder, tmp_path, change):
    bad = tmp_path / "bad"
    bad.mkdir()
    content = change if isinstance(change, str) else json.dumps(to_json(TABLE) | change)
    (bad / "table.json").write_text(content)
    tables, (warning,) = find_tables([tmp_path])
    assert [where for where, _ in tables] == [folder]
    assert warning.startswith(str(bad / "table.json"))
    assert len(warning.splitlines()) == 1


def test_a_table_without_the_words_that_may_be_missing_is_shown(tmp_path):
    content = {name: value for name, value in to_json(TABLE).items() if name in ("title", "columns", "rows", "seeds")}
    assert "Table 2: corrupted labels" in words(page(written(tmp_path, content), tmp_path))


def test_the_page_tells_mean_interval_seeds_and_the_papers_number(folder, tmp_path):
    text = words(page(folder, tmp_path))
    for part in (
        "Table 2: corrupted labels SYNTHETIC Invented numbers.",
        "Method best, % paper last, % 20 % corrupted",  # the paper has no number in the second column
        "ERM n = 3, 1 5.53 ± 0.38 12.7 8.00 mixup [red]",
        "mixup [red] n = 3 · unconfirmed 4.30 ± 0.43 5.9 — 50 % corrupted",
        "ERM n = 2 0.00 ± 12.71 0.05 9.00 ± 0.00",
        "Paper: Table 2; CIFAR-10.",
        "Command python -m experiments.corrupted_labels Seeds 0, 1, 2 Device cpu, 2 cores Versions jax 0.10.2",
        "Commit 012345678 Folder runs/table",
    ):
        assert part in text


def test_the_same_tables_give_the_same_bytes(folder, tmp_path):
    assert page(folder, tmp_path) == page(folder, tmp_path)


def test_hostile_strings_are_text(tmp_path):
    row = Row(HOSTILE, ((1.0,), ()), (None, 2.0), group=HOSTILE, note=HOSTILE)
    strings = {name: HOSTILE for name, value in vars(TABLE).items() if isinstance(value, str)}
    hostile = replace(TABLE, rows=(row,), columns=(HOSTILE, HOSTILE), figures=((HOSTILE, HOSTILE),), **strings)
    content = page(written(tmp_path, to_json(hostile)), tmp_path)
    assert content.count("<script") == content.count("<script>// Sort and filter") == 1
    assert words(content).count("<script>alert(1)</script>") >= len(strings)


def test_a_picture_is_embedded_and_one_that_is_elsewhere_or_none_is_refused(folder, tmp_path):
    assert page(folder, tmp_path).count("data:image/png;base64,") == 1
    outside = tmp_path / "outside.png"
    save_png(beta_densities((1.0,)), outside)
    (folder / "link.png").symlink_to(outside)
    (folder / "none.png").write_text("<svg onload=alert(1)>")
    refused = ("../../outside.png", str(outside), "link.png", "none.png", "absent.png", "", "a\0b.png")
    written(folder, to_json(TABLE) | {"figures": [{"path": path, "caption": "x"} for path in refused]})
    content = page(folder, tmp_path)
    assert "data:image/png;" not in content
    assert "onload" not in content
    assert content.count("picture skipped") == len(refused)


def test_the_terminal_shows_each_row_within_eighty_columns():
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(paper_table(TABLE))
    lines = [" ".join(line.split()) for line in capture.get().splitlines()]
    assert lines.index("20 % corrupted") < lines.index("mixup [red] 4.30 ± 0.43 — 3") < lines.index("50 % corrupted")
    assert "ERM 5.53 ± 0.38 8.00 3, 1" in lines
    assert lines.count("paper 12.7") == 1
    assert "paper: Table 2; CIFAR-10." in lines[-1]


def test_the_command_reports_tables_without_runs(folder, tmp_path, capsys):
    main((folder,), tmp_path / "report.html")
    assert TABLE.title in capsys.readouterr().out
    content = (tmp_path / "report.html").read_text()
    assert TABLE.title in content
    assert "No runs to show" not in content
