"""Laws of docs/results.json: pages show what it holds, and every table says how to run it again."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("results_of_docs", ROOT / "docs" / "results.py")
assert spec is not None
assert spec.loader is not None
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)
STORED = json.loads((ROOT / "docs" / "results.json").read_text())
TABLES = STORED["tables"]
MARKS = {"REAL", "LOSSY", "SYNTHETIC"}


@pytest.mark.parametrize("path", results.pages(), ids=lambda path: path.name)
def test_pages_show_the_stored_numbers(path):
    page = path.read_text()
    assert results.written(page, STORED) == page, "python docs/results.py writes the tables anew"


def test_every_table_stands_on_its_page():
    for name, table in TABLES.items():
        assert f"<!-- results {name} -->" in (ROOT / table["page"]).read_text(), name


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_where_its_numbers_come_from(name):
    table = TABLES[name]
    for field in ("paper", "command", "commit", "seeds", "data", "interval", "chosen"):
        assert table[field], field
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", table["date"])
    assert set(re.findall(r"[A-Z]{4,}", table["mark"])) <= MARKS
    assert table["registered"] is None or "docs/" in table["registered"]
    assert all(len(row["values"]) == len(table["columns"]) for row in table["rows"])
    assert all(len(row["labels"]) == len(table["labels"]) for row in table["rows"])
    kinds = [column.get("kind") for column in table["columns"]]
    assert all(kinds[place - 1] == "difference" for place, kind in enumerate(kinds) if kind == "p")


def test_bold_is_what_survives_the_correction():
    rows = [{"labels": [str(half)], "values": [[-1.0, half]]} for half in (0.2, 0.9, 3.0)]
    table = {"n": 3, "labels": [""], "columns": [{"name": "d", "digits": 1, "kind": "difference"}], "rows": rows}
    assert re.findall(r"\*\*(.*?)\*\*", results.markdown(table)) == ["-1.0 ± 0.2"]
    assert len(re.findall(r"\*\*", results.markdown(table | {"rows": rows[1:2]}))) == 2  # alone it would


def test_a_p_value_is_that_of_the_difference_before_it_and_of_no_other():
    columns = [{"name": name, "digits": 1, "kind": kind} for name in "ab" for kind in ("difference", "p")]
    rows = [
        {"labels": ["both"], "values": [[-1.0, 0.2], None, [-1.0, 9.0], None]},
        {"labels": ["first"], "values": [[-1.0, 0.2], None, None, None]},
        {"labels": ["second"], "values": [None, None, [-1.0, 9.0], None]},
    ]
    page = results.markdown({"n": 3, "labels": [""], "columns": columns, "rows": rows})
    both, first, second = ([cell.strip() for cell in line.split("|")[2:-1]] for line in page.splitlines()[2:])
    assert both[1] != both[3]
    assert first == [*both[:2], "", ""]
    assert second == ["", "", *both[2:]]


@pytest.mark.parametrize(
    ("table", "row", "records", "count"),
    [
        ("cifar-registered", 0, "e0/fashion_mnist/small", 10),
        ("cifar-registered", 1, "e0/cifar10/small", 10),
        ("cifar-augmented", 0, "e1/preact18", 5),
    ],
)
def test_registered_numbers_are_those_of_the_records(table, row, records, count):
    for value, method in zip(TABLES[table]["rows"][row]["values"], ("erm", "mixup"), strict=False):
        paths = (ROOT / "docs" / "evidence").glob(f"{records}-{method}/*/result.json")
        errors = [json.loads(path.read_text())["test_error"]["last"][0] for path in paths]
        assert len(errors) == count
        assert value[0] == pytest.approx(sum(errors) / count, abs=1e-3)


@pytest.mark.parametrize(("row", "epsilon"), [*enumerate((1, 2, 4, 8))])
def test_registered_attacks_are_those_of_the_records(row, epsilon):
    paths = list((ROOT / "docs" / "evidence" / "e2" / f"epsilon-{epsilon}").glob("*/adversarial.json"))
    found = [json.loads(path.read_text())["errors"]["white box, FGSM"] for path in paths]
    assert len(found) == 5
    for value, method in zip(TABLES["adversarial-registered"]["rows"][row]["values"], found[0], strict=False):
        assert value[0] == pytest.approx(sum(errors[method][0][0] for errors in found) / 5, abs=1e-3)


@pytest.mark.parametrize("noise", ["low", "high"])
def test_registered_wafer_maps_are_those_of_the_records(noise):
    rows = TABLES["wafer-controls"]["rows"][:5] if noise == "low" else TABLES["wafer-controls"]["rows"][5:]
    for row, name in zip(rows, ("plain", "mixup", "any", "best", "reference"), strict=True):
        path = ROOT / "docs" / "evidence" / "e4" / noise / name / "wafer.json"
        seeds = json.loads(path.read_text())["measured"]
        exact = [measured["thresholds"]["exact_match"]["mixed"] for measured in seeds]
        assert len(exact) == 3
        assert row["values"][0][0] == pytest.approx(100 * sum(exact) / 3, abs=1e-2)


def test_claims_have_a_verdict_and_say_what_belongs_to_it():
    """The smallest effect that could have shown where none does; what others found where it cannot be tested."""
    for claim in STORED["claims"]:
        needed = results.VERDICTS[claim["verdict"]]
        assert [name for name in ("smallest", "elsewhere") if claim.get(name)] == ([needed] if needed else [])
        assert needed is None or claim[needed] in results.claims(STORED)
    assert "{" not in results.claims(STORED)
