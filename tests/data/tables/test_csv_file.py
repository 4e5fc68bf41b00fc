"""Laws of CSV files: every column is taken for what it is meant as, or the cell that speaks against it is named."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixup_jax.data.tables.csv_file import MISSING, read_csv

GENERATOR = np.random.default_rng(0)
SIZES = [f"{value:.5f}" for value in GENERATOR.normal(size=200)]
KINDS = ["a", "b"] * 100


def table(path, **columns):
    """Write a CSV file of columns; return its path."""
    pd.DataFrame(columns).to_csv(path / "t.csv", index=False)
    return path / "t.csv"


def changed(values, **cells):
    """Change some cells, by number."""
    return [cells.get(f"at{i}", value) for i, value in enumerate(values)]


@pytest.mark.parametrize("cell", ["-", "n.a.", "12%", "1,234", "3,5", "unknown", "5 kg", "€ 7", "0x1F", "1_000", "na"])
def test_a_cell_that_is_no_number_among_numbers_is_named(tmp_path, cell):
    with pytest.raises(ValueError, match=r"t.csv: row 18, column 'size' holds") as error:
        read_csv(table(tmp_path, size=changed(SIZES, at17=cell), kind=KINDS), "kind")
    assert repr(cell) in str(error.value)
    assert "1 of 200" in str(error.value)


def test_so_it_is_where_most_cells_are_a_mark_for_what_is_missing(tmp_path):
    cells = [size if i % 3 == 0 else "-" for i, size in enumerate(SIZES)]
    with pytest.raises(ValueError, match=r"row 2, column 'size' holds '-'.*133 of 200"):
        read_csv(table(tmp_path, size=cells, kind=KINDS), "kind")


def test_a_file_without_rows_says_so(tmp_path):
    (tmp_path / "t.csv").write_text("size,kind\n")
    with pytest.raises(ValueError, match="no rows"):
        read_csv(tmp_path / "t.csv", "kind")


@pytest.mark.parametrize("form", ["{},5", "{}%", "1,{:03}", "$ {}", "{} €", "1 {:03}"])
def test_numbers_of_another_notation_throughout_are_no_categories(tmp_path, form):
    cells = [form.format(i % 7) for i in range(200)]
    with pytest.raises(ValueError, match=r"row 1, column 'size' holds .*200 of 200"):
        read_csv(table(tmp_path, size=cells, kind=KINDS), "kind")


def test_categories_may_hold_digits_and_ranges(tmp_path):
    path = table(tmp_path, code=["A1", "7", "B2", "C3"] * 50, age=["18-25", "26-40", ">65", "<18"] * 50, kind=KINDS)
    assert read_csv(path, "kind").categorical == ["code", "age"]


@pytest.mark.parametrize("marker", MISSING)
def test_what_means_missing_is_missing_in_numbers_and_words_and_said(tmp_path, marker, caplog):
    caplog.set_level("INFO")
    size, colour = changed(SIZES, at3=marker), changed(["red", "blue"] * 100, at5=marker)
    read = read_csv(table(tmp_path, size=size, colour=colour, kind=KINDS), "kind")
    assert (read.numeric, read.categorical, read.missing) == (["size"], ["colour"], 2)
    assert f"1 missing (1 {marker or 'empty'})" in caplog.text
    assert np.isnan(read.features["size"][3])


def test_numbers_are_read_exactly(tmp_path):
    read = read_csv(table(tmp_path, size=["0.1", "1e-7", "+5", "-0.30000000000000004"] * 50, kind=KINDS), "kind")
    assert read.features["size"][:4].tolist() == [0.1, 1e-7, 5.0, -0.30000000000000004]


def test_every_column_is_told_before_training(tmp_path, caplog):
    caplog.set_level("INFO")
    path = table(tmp_path, size=SIZES, colour=["red", "blue"] * 100, odd=["x"] * 200, kind=KINDS)
    read_csv(path, "kind")
    for line in ("size: number, -", "colour: category, 2 values: blue, red", "odd: left out, all rows agree"):
        assert line in caplog.text


def test_columns_without_a_name_or_of_one_name_are_refused(tmp_path):
    pd.DataFrame({"size": SIZES, "kind": KINDS}).to_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"column 1 has no name; .*index=False"):
        read_csv(tmp_path / "t.csv", "kind")
    rows = "".join(f"{size},{kind},{kind}\n" for size, kind in zip(SIZES, KINDS, strict=True))
    for names, twice in (("size,kind,kind", "kind"), ("size,size ,kind", "size")):
        (tmp_path / "t.csv").write_text(f"{names}\n{rows}")
        with pytest.raises(ValueError, match=f"2 columns have the name '{twice}'"):
            read_csv(tmp_path / "t.csv", "kind")


def test_a_copy_of_the_target_is_refused_and_what_tells_the_class_is_named(tmp_path, caplog):
    with pytest.raises(ValueError, match="column 'sort' is a copy of the target 'kind'"):
        read_csv(table(tmp_path, size=SIZES, sort=KINDS, kind=KINDS), "kind")
    kinds = GENERATOR.permutation(["a", "b", "c"] * 67)[:200].tolist()
    fine = [kind + str(i % 2) for i, kind in enumerate(kinds)]
    numbers = [{"a": 3, "b": 7, "c": 9}[kind] for kind in kinds]
    read_csv(table(tmp_path, size=SIZES, number=numbers, fine=fine, kind=kinds), "kind")
    assert "number tells the class: each of its 3 values" in caplog.text
    assert "fine tells the class: each of its 6 values" in caplog.text
    assert "size tells" not in caplog.text


def test_what_makes_a_result_worthless_is_said(tmp_path, caplog):
    rows = {
        "id": range(1, 201),
        "number": range(3, 1400, 7),
        "size": SIZES,
        "again": SIZES,
        "colour": changed(["red", "blue"] * 100, at4="Red"),
    }
    read_csv(table(tmp_path, **rows, kind=KINDS), "kind")
    assert "id counts the rows" in caplog.text
    assert "number counts the rows" in caplog.text
    assert "size counts the rows" not in caplog.text
    assert "again holds the same as size" in caplog.text
    assert "colour has 'Red' and 'red' as different categories" in caplog.text
    kinds = changed(KINDS, at150="b")
    read_csv(table(tmp_path, size=SIZES[:100] * 2, colour=["red", "blue"] * 100, kind=kinds), "kind")
    assert "99 of 200 rows are copies of others" in caplog.text
    assert "1 rows have the features of others and another class" in caplog.text


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9", "cafe\u0301"), ("\u00e9", "e\u0301"), ("no", "n\u200bo")])
def test_classes_that_look_alike_are_refused(tmp_path, one, other):
    with pytest.raises(ValueError, match=r"\\u0301|\\u200b"):  # told apart in the message
        read_csv(table(tmp_path, size=SIZES, kind=[one, "x", other, "x"] * 50), "kind")


def test_a_class_in_two_spellings_is_refused_and_blanks_are_taken_away(tmp_path, caplog):
    with pytest.raises(ValueError, match="the target kind has 'Yes' and 'yes' as different classes"):
        read_csv(table(tmp_path, size=SIZES, kind=["yes", "no", "Yes", "no"] * 50), "kind")
    read = read_csv(table(tmp_path, size=SIZES, kind=["yes", "no", "yes ", "no"] * 50), "kind")
    assert read.classes == ("no", "yes")
    assert "blanks at the end of 50 cells are taken away (the first: row 3, column 'kind', 'yes ')" in caplog.text
    read = read_csv(table(tmp_path, size=SIZES, kind=["a", "A"] * 100), "kind")
    assert read.classes == ("A", "a")  # letters


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ([f"{value:.1f}" for value in GENERATOR.normal(size=200)], "a quantity, not classes"),
        ([str(i % 12 + 0.5) for i in range(200)], "a quantity, not classes"),
        ([str(i % 60) for i in range(200)], "a quantity, not classes"),
        (changed(KINDS, at7="c", at9="d"), r"2 of 4 classes of the target kind have one row \(the first: c\)"),
        (changed(KINDS, at7="", at9="?"), r"2 rows have no value in the target kind \(1 empty, 1 \?\)"),
        (changed(["0", "1"] * 100, at7="-"), "row 8, column 'kind' holds '-'"),
        (["0", "1", "inf", "1e999"] * 50, "inf among its numbers"),
        (
            [f"900719925474099{i % 2 + 2}" for i in range(200)],
            "numbers that are not told apart, up to 9007199254740992",
        ),
        (["18446744073709551615", "12345678901234567890"] * 100, "numbers that are not told apart"),
        (changed(KINDS, at7="--", at9="--"), "2 rows have '--' in the target kind"),
    ],
)
def test_a_target_that_names_no_classes_is_refused(tmp_path, kinds, message):
    with pytest.raises(ValueError, match=message):
        read_csv(table(tmp_path, size=SIZES, kind=kinds), "kind")


def test_classes_that_are_numbers_are_in_their_order_and_many_are_named(tmp_path, caplog):
    read_csv(table(tmp_path, size=SIZES, kind=[str(i % 10) for i in range(200)]), "kind")
    assert "as classes" not in caplog.text
    read = read_csv(table(tmp_path, size=SIZES, kind=[str(i % 11) for i in range(200)]), "kind")
    assert "the target kind has 11 numbers, 0 to 10, as classes" in caplog.text
    assert read.classes == tuple(map(str, range(11)))
    assert read.label[:12].tolist() == [*range(11), 0]


def test_a_target_written_in_another_way_is_suggested(tmp_path):
    with pytest.raises(ValueError, match="has no column 'Kind'; it has size, kind; did you mean 'kind'"):
        read_csv(table(tmp_path, size=SIZES, kind=KINDS), "Kind")
    (tmp_path / "t.csv").write_text("size;kind\n1;a\n2;b\n")
    with pytest.raises(ValueError, match="separated by commas"):
        read_csv(tmp_path / "t.csv", "kind")


LONG = "size,kind\n1,a\n2,b,c\n"


def test_rows_of_another_length_are_refused(tmp_path):
    for text, message in (("size,kind\n1,a\n2\n", r"no value in the target kind \(1 empty"), (LONG, "line 3")):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_csv(tmp_path / "t.csv", "kind")


def test_a_home_that_is_not_known_is_named():
    with pytest.raises(ValueError, match=r"csv is ~nouser/t.csv"):
        read_csv(Path("~nouser/t.csv"), "kind")


TEXT = "size,kind\n" + "".join(f"{size},{kind}\n" for size, kind in zip(SIZES, KINDS, strict=True))


def packed(suffix):
    """Return the text in a file of that suffix, as pandas reads it."""
    buffer, content = io.BytesIO(), TEXT.encode()
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", content)
    elif suffix in (".tar", ".tar.gz"):
        with tarfile.open(fileobj=buffer, mode="w:gz" if suffix.endswith("gz") else "w") as archive:
            member = tarfile.TarInfo("t.csv")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    else:
        compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(suffix, bytes)
        buffer.write(compress(content))
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip", ".tar", ".tar.gz"])
def test_packed_files_are_read_and_damaged_ones_named(tmp_path, suffix):
    path = tmp_path / f"t.csv{suffix}"
    whole = packed(suffix)
    path.write_bytes(whole)
    assert len(read_csv(path, "kind").label) == 200
    half = 1500 if suffix == ".tar" else len(whole) // 2  # the end of a tar is empty
    flipped = whole[:half] + bytes(byte ^ 255 for byte in whole[half : half + 20]) + whole[half + 20 :]
    damages = [
        whole[:half],
        b"nothing of the kind",
        b"",
        *([] if suffix == ".tar" else [flipped]),
    ]  # no checksum in tar
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=rf"t.csv{suffix} is not a CSV file") as error:
            read_csv(path, "kind")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".zst", ".csv"])
def test_what_is_no_text_is_named(tmp_path, suffix):
    (tmp_path / f"t{suffix}").write_bytes(b"\x28\xb5\x2f\xfd\xff\xff\xff nothing of the kind")
    with pytest.raises(ValueError, match=rf"t{suffix} is not a CSV file"):
        read_csv(tmp_path / f"t{suffix}", "kind")
    with pytest.raises(ValueError, match="is not a CSV file"):
        read_csv(tmp_path, "kind")
