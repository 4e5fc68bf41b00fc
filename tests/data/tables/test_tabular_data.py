"""Laws of tables: what becomes of columns and classes, how rows are split, and what is refused."""

import os
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from mixup_jax.data.tables import uci
from mixup_jax.data.tables.csv_file import read_csv
from mixup_jax.data.tables.preprocessing import ARRAYS, from_arrays
from mixup_jax.data.tables.splits import Scaling, prepared_splits, split_rows
from mixup_jax.data.tables.table import make_table
from mixup_jax.data.tables.uci import load_tabular

REAL = Path(os.environ.get("MIXUP_JAX_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
TEXT = "size,colour,empty,kind\n" + "1,red,5,a\n2,,?,b\n?,blue,6,a\n4,red,5,b\n" * 6


def write(path, text):
    path.write_text(text)
    return path


def test_a_csv_file_is_split_imputed_scaled_and_one_hot(tmp_path):
    table = read_csv(write(tmp_path / "boxes.csv", TEXT), "kind")
    assert (table.numeric, table.categorical, table.classes) == (["size", "empty"], ["colour"], ("a", "b"))
    assert table.missing == 18
    split, _ = prepared_splits(table, range(2), 0.25)
    assert split.train_x.shape == (2, 18, 5)  # two numbers; blue, missing, red
    np.testing.assert_allclose(split.train_x[:, :, :2].mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(split.train_x[:, :, :2].std(axis=1), 1, atol=1e-5)
    for words in (split.train_x[:, :, 2:], split.test_x[:, :, 2:]):
        assert set(np.unique(words)) == {0.0, 1.0}
        np.testing.assert_array_equal(words.sum(axis=2), 1)


@pytest.mark.parametrize("scaling", ["minmax", "none"])
def test_other_scalings_are_of_the_training_rows_and_kept_for_new_ones(tmp_path, scaling):
    table = read_csv(write(tmp_path / "boxes.csv", TEXT), "kind")
    split, preprocessing = prepared_splits(table, range(2), 0.25, scaling)
    low, high = split.train_x[:, :, :2].min(axis=1), split.train_x[:, :, :2].max(axis=1)
    np.testing.assert_array_equal(
        (low, high), ([[0, 0]] * 2, [[1, 1]] * 2) if scaling == "minmax" else ([[1, 5]] * 2, [[4, 6]] * 2)
    )
    train, _ = split_rows(table.label, 1, 0.25)
    np.testing.assert_array_equal(preprocessing.apply(table.features.iloc[train])[1], split.train_x[1])


def test_rows_of_length_1_are_the_raw_ones_divided_by_their_norm_also_new_ones(tmp_path):
    table = read_csv(write(tmp_path / "boxes.csv", TEXT), "kind")
    (raw, _), (unit, kept) = (prepared_splits(table, range(2), 0.25, scaling) for scaling in ("none", "unit"))
    for one, other in ((raw.train_x, unit.train_x), (raw.test_x, unit.test_x)):
        np.testing.assert_allclose(np.linalg.norm(other, axis=2), 1, rtol=1e-6)
        np.testing.assert_allclose(other * np.linalg.norm(one, axis=2, keepdims=True), one, rtol=1e-5)
    _, test = split_rows(table.label, 1, 0.25)
    again = from_arrays(description_of(kept), {name: getattr(kept, name) for name in ARRAYS})
    np.testing.assert_array_equal(again.apply(table.features.iloc[test])[1], unit.test_x[1])


@pytest.mark.parametrize("scaling", get_args(Scaling))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_new_rows_become_what_test_rows_became_whatever_the_type_of_the_numbers(dtype, scaling):
    rows = pd.DataFrame(np.random.default_rng(0).uniform(0, 1000, (40, 3)).astype(dtype))
    table = make_table("t", "REAL", rows, pd.Series(np.arange(40) % 2))
    split, preprocessing = prepared_splits(table, range(2), 0.25, scaling)
    for seed in range(2):
        _, test = split_rows(table.label, seed, 0.25)
        np.testing.assert_array_equal(preprocessing.apply(table.features.iloc[test])[seed], split.test_x[seed])


def description_of(kept):
    return {"numbers": kept.numbers, "categories": list(kept.categories.items()), "unit": kept.unit}


def test_a_split_does_not_look_at_its_test_rows():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    label = np.arange(40) % 2
    _, test = split_rows(label, 0, 0.25)
    changed = rows.copy()
    changed[test] *= 100
    one, other = (
        prepared_splits(make_table("t", "REAL", pd.DataFrame(x), pd.Series(label)), range(1), 0.25)[0]
        for x in (rows, changed)
    )
    np.testing.assert_array_equal(one.train_x, other.train_x)
    assert (one.test_x != other.test_x).any()


def test_what_is_constant_in_training_does_not_tell_test_rows_apart():
    label = np.arange(40) % 2
    _, test = split_rows(label, 0, 0.25)
    features = pd.DataFrame({"size": np.arange(40.0), "odd": np.zeros(40), "colour": "red"})
    features.loc[test[0], ["odd", "colour"]] = [32.0, "blue"]
    split, _ = prepared_splits(make_table("t", "REAL", features, pd.Series(label)), range(1), 0.25)
    for column in range(1, 4):  # odd, blue, red
        assert len({*split.train_x[0, :, column], *split.test_x[0, :, column]}) == 1


def test_every_row_is_in_one_part_classes_are_in_proportion_and_seeds_differ():
    label = np.array([0] * 50 + [1] * 30 + [2] * 3 + [3])
    seen = []
    for seed in range(3):
        train, test = split_rows(label, seed, 0.2)
        assert sorted([*train, *test]) == list(range(len(label)))
        assert len(test) == 17
        assert np.bincount(label[test])[:2].tolist() == [10, 6]
        seen.append(tuple(test))
    assert len(set(seen)) == 3
    np.testing.assert_array_equal(split_rows(label, 1, 0.2)[1], seen[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("kind", "sort"), "has no column 'kind'; it has size, colour, empty, sort"),
        (TEXT.replace(",b\n", ",a\n"), "boxes has the one class a; at least two"),
        (TEXT.replace(",5,", ",,").replace(",6,", ",,"), "boxes: no value at all in empty"),
        (TEXT.replace("1,red", "inf,red"), "boxes: infinite numbers in size"),
        (TEXT.replace(",a\n", ",\n"), "12 rows have no value in the target kind"),
        ("kind\na\nb\n", "has no column beside the target"),
        ("size,kind\n" + "".join(f"1,{i}.5\n" for i in range(9)), "target kind has 9 values in 9 rows"),
        (
            "name,kind\n" + "".join(f"n{i},{i % 2}\n" for i in range(9)),
            "every row, or more than 1,000, have another word in name",
        ),
        ("", "is not a CSV file"),
        ("a,b\n1,2\n1,2,3,4\n", "is not a CSV file"),
        (
            "size,kind\n" + "1,2,a\n3,4,b\n" * 5,
            "is not a CSV file",
        ),  # every row is longer: pandas would shift the names
        (
            "n,kind\n" + "".join(f"n{i % 1001},{i % 2}\n" for i in range(2002)),
            "or more than 1,000, have another word in n",
        ),
    ],
)
def test_what_is_no_table_to_learn_from_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_csv(write(tmp_path / "boxes.csv", text), "kind")


def test_what_cannot_be_split_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.csv does not exist"):
        read_csv(tmp_path / "absent.csv", "kind")
    table = read_csv(write(tmp_path / "few.csv", "size,kind\n1,a\n2,b\n3,a\n4,b\n"), "kind")
    with pytest.raises(ValueError, match="too few to test on 0"):
        prepared_splits(table, range(1), 0.1)
    with pytest.raises(ValueError, match=r"test_share must be between 0 and 1, got 1\.0"):
        prepared_splits(table, range(1), 1.0)
    same = read_csv(write(tmp_path / "same.csv", "size,kind\n1,a\n1,b\n1,a\n1,b\n"), "kind")
    with pytest.raises(ValueError, match="all rows are alike"):
        prepared_splits(same, range(1), 0.5)
    huge = make_table("huge", "REAL", pd.DataFrame({"x": [1e300, 2.0, 3.0, -1e300]}), pd.Series([0, 1, 0, 1]))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="huge: NaN or infinity"):
        prepared_splits(huge, range(1), 0.5)


def test_an_absent_or_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(uci.archives, "download", lambda name, files, folder: pytest.fail(f"{files[0]} into {folder}"))
    with pytest.raises(pytest.fail.Exception, match=r"abalone.data \(187 KiB, sha256 de37.* into .*downloads"):
        load_tabular("abalone", tmp_path)
    (tmp_path / "uci").mkdir()
    write(tmp_path / "uci" / "abalone.data", "M,1,2\n")
    with pytest.raises(ValueError, match=r"abalone.data has 6 bytes instead of 191873"):
        load_tabular("abalone", tmp_path)
    with pytest.raises(ValueError, match="must be one of abalone, arcene"):
        load_tabular("wine", tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes", "missing"),
    [
        ("abalone", 4177, 8, 28, 0),
        ("arrhythmia", 452, 279, 13, 408),
        ("htru2", 17898, 8, 2, 0),
        ("phishing", 1353, 9, 3, 0),
        ("arcene", 200, 10000, 2, 0),
    ],
)
def test_the_published_files_have_their_published_sizes(name, rows, columns, classes, missing):
    if not (REAL / "uci").is_dir():
        pytest.skip("no folder uci in $MIXUP_JAX_DATA")
    table = load_tabular(name, REAL)
    assert table.features.shape == (rows, columns)
    assert (len(table.label), len(table.classes), table.missing, table.mark) == (rows, classes, missing, "REAL")
