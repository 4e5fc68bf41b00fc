"""Laws of `predict` on tables: networks and preprocessing are those of the training, rows are lines."""

import csv
import sys
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

from experiments.predict import __main__ as predict
from experiments.predict.tables import as_rows, predict_table, read_parts
from experiments.tabular.networks import NAME, keep, read_networks
from experiments.tabular.train import Tabular, measure
from mixup_jax.data.tables.csv_file import read_csv
from mixup_jax.data.tables.splits import prepared_splits, split_rows

JOB = {"target": "kind", "alphas": (0.2, 0.4), "seeds": 3, "epochs": 20.0}


def rows(count):
    """Numbers, one missing, a category that is missing now and then, a constant column and one that is nearly so."""
    for i in range(count):
        size, colour = ("" if i % 17 == 3 else i % 13 + 5 * (i % 2)), ("red", "blue", "?")[i % 3]
        yield f"{size},{colour},7,{int(i == 1)},{('ü' if i % 2 else 'b')}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, its table and its errors."""
    folder = tmp_path_factory.mktemp("table")
    path = folder / "boxes.csv"
    path.write_text("\n".join(["size,colour,same,rare,kind", *rows(60)]))
    job = Tabular(csv=path, **JOB)
    (folder / "tabular.json").write_text("{}")
    return folder, path, measure(read_csv(path, "kind"), job, folder)


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cells(path, networks):
    return pd.concat(list(read_parts(path, networks.preprocessing.columns)), ignore_index=True)


@pytest.mark.thorough
def test_the_features_of_new_rows_are_those_that_scikit_learn_made(run):
    folder, path, _ = run
    networks, data = read_networks(folder), read_csv(path, "kind")
    assert networks.preprocessing.columns == ("size", "rare", "colour")  # a constant column is not needed
    made = networks.preprocessing.apply(as_rows(cells(path, networks), networks.preprocessing)[0])
    split, _ = prepared_splits(data, range(3))
    for seed in range(3):
        _, test = split_rows(data.label, seed, 0.2)
        np.testing.assert_array_equal(made[seed, test], split.test_x[seed])


def test_the_errors_are_those_of_the_run(run):
    folder, path, errors = run
    networks, data = read_networks(folder), read_csv(path, "kind")
    table = as_rows(cells(path, networks), networks.preprocessing)[0]
    for index, alpha in enumerate((0.0, 0.2, 0.4)):
        found = networks.probabilities(table, alpha).argmax(axis=2)
        for seed in range(3):
            _, test = split_rows(data.label, seed, 0.2)
            wrong = 100 * np.mean(found[seed, test] != data.label[test])
            assert errors["test"][seed, index] == pytest.approx(wrong, abs=1e-4)


def test_networks_that_say_nan_predict_nothing(run):
    folder, path, _ = run
    networks = read_networks(folder)
    table = as_rows(cells(path, networks), networks.preprocessing)[0]
    damaged = replace(networks, params=jax.tree.map(lambda leaf: leaf * np.float32(np.nan), networks.params))
    with pytest.raises(ValueError, match="not finite"):
        damaged.probabilities(table, 0.2)


def test_a_row_alone_has_the_bits_that_it_has_among_others(run):
    folder, path, _ = run
    networks = read_networks(folder)
    table = as_rows(cells(path, networks), networks.preprocessing)[0]
    together = networks.probabilities(table, 0.2)
    np.testing.assert_array_equal(networks.probabilities(table.iloc[[7]], 0.2)[:, 0], together[:, 7])


def test_a_table_becomes_lines_and_what_is_odd_in_it_is_said(run, tmp_path, monkeypatch, capsys):
    folder, _, _ = run
    table = ["more,rare,colour,size", "x,0,red,3", "x,0,green,4", "x,1,blue,many", "x,,,", "x,0,blue,inf", "x,0"]
    (tmp_path / "new.csv").write_text("\n".join(table))
    output = tmp_path / "out.csv"
    monkeypatch.setattr(sys, "argv", ["predict", str(folder), str(tmp_path / "new.csv"), "-o", str(output)])
    predict.main()
    found = lines(output)
    assert list(found[0]) == ["row", "prediction", "probability", "prediction_2", "probability_2", "error"]
    assert [each["row"] for each in found] == ["1", "2", "3", "4", "5", "6"]
    assert [bool(each["error"]) for each in found] == [False, False, True, False, True, False]
    assert "size is 'many'" in found[2]["error"]
    assert {each["prediction"] for each in found if not each["error"]} <= {"b", "ü"}
    printed = capsys.readouterr().out
    assert "not used: more" in printed
    assert "1 cells of 6 rows: a category that 'colour' did not have" in printed
    assert "alpha = 0.2 of 0, 0.2, 0.4" in printed


@pytest.mark.parametrize("rows", [2, 5000])
def test_an_empty_line_of_a_table_of_one_column_is_a_row(tmp_path, rows):
    """Else each prediction after it has the number of another row."""
    path = tmp_path / "one.csv"
    values = ["1.5", "", *map(str, range(rows))]
    path.write_text("\n".join(["size", *values]) + "\n")
    found = pd.concat(list(read_parts(path, ("size",))))
    assert found["size"].tolist() == values
    path.write_text("size,colour\n1.5,red\n\n2.5,blue\n")  # of several columns it has no cells: as in training
    assert pd.concat(list(read_parts(path, ("size",))))["size"].tolist() == ["1.5", "2.5"]


def test_columns_that_are_not_there_are_named(run, tmp_path):
    folder, _, _ = run
    (tmp_path / "new.csv").write_text("size,shade\n1,red\n")
    with pytest.raises(ValueError, match="lacks columns that the network needs: rare, colour; it has size, shade"):
        predict_table(folder, tmp_path / "new.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(ValueError, match=r"alpha must be one that was trained \(0, 0.2, 0.4; 0 is ERM\), got 1"):
        predict_table(folder, tmp_path / "new.csv", tmp_path / "out.csv", alpha=1.0)


def test_a_run_without_networks_and_a_damaged_file_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="keeps no network"):
        read_networks(tmp_path)
    networks = read_networks(run[0])
    networks.params["head"]["bias"] = networks.params["head"]["bias"][:2]
    keep(networks, tmp_path)
    with pytest.raises(ValueError, match=f"{NAME} does not hold networks of a table"):
        read_networks(tmp_path)
    (tmp_path / NAME).write_bytes((run[0] / NAME).read_bytes()[:500])
    with pytest.raises(ValueError, match=NAME):
        read_networks(tmp_path)
