"""Laws of `predict` on images: a line for each file, in order, whatever is wrong with some of them."""

import csv
import os
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image

import mixup_jax
from experiments import export
from experiments.predict import __main__ as predict
from experiments.predict.images import decoded, predict_images
from mixup_jax.data.sources import load


def lines(path):
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_test_images_has_the_error_of_the_network(trained, pictures, tmp_path, monkeypatch, capsys):
    output = tmp_path / "deep" / "out.csv"
    monkeypatch.setattr(sys, "argv", ["predict", str(trained), str(pictures), "-o", str(output), "--top", "3"])
    predict.main()
    found, data = lines(output), load("digits")
    assert list(found[0]) == [
        *("file", "prediction", "probability", "prediction_2", "probability_2", "prediction_3", "probability_3"),
        "error",
    ]
    assert [each["file"] for each in found] == [str(pictures / f"{index}.png") for index in range(data.test_count)]
    expected = mixup_jax.load(trained)(np.asarray(data.test_image))
    assert [each["prediction"] for each in found] == [data.classes[index] for index in expected.argmax(axis=1)]
    np.testing.assert_allclose([float(each["probability"]) for each in found], expected.max(axis=1), atol=1e-6)
    assert not any(each["error"] for each in found)
    printed = capsys.readouterr().out
    assert "mean over 2 seeds" in printed
    assert f"{data.test_count} images" in printed


def test_bad_files_are_lines_and_other_files_are_counted(trained, pictures, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "ünter" / ".hidden").mkdir(parents=True)
    for name in ("2.png", "10.png", "ünter/1.PNG"):
        (folder / name).write_bytes((pictures / "0.png").read_bytes())
    odd = os.fsencode(folder) + b"/\xff.png"
    with open(odd, "wb") as file:
        file.write((pictures / "0.png").read_bytes())
    (folder / "1.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "3.png").write_bytes((pictures / "0.png").read_bytes()[:60])
    (folder / "4.gif").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    Image.new("I;16", (8, 8)).save(folder / "5.png")
    predict_images(trained, (folder,), tmp_path / "out.csv")
    found = lines(tmp_path / "out.csv")
    names = ["1.jpg", "2.png", "3.png", "4.gif", "5.png", "10.png", os.fsdecode(b"\xff.png"), "ünter/1.PNG"]
    assert [each["file"] for each in found] == [str(folder / name) for name in names]
    assert [bool(each["error"]) for each in found] == [True, False, True, True, True, False, False, False]
    assert [bool(each["prediction"]) for each in found] == [not each["error"] for each in found]
    assert len({each["probability"] for each in found if not each["error"]}) == 1
    assert "16 bits" in found[4]["error"]
    printed = capsys.readouterr().out
    assert "8 images, 4 of them bad" in printed
    assert "passed over, .txt" in printed
    assert "passed over, hidden" in printed


def test_a_file_after_bad_ones_and_bad_ones_alone_are_written(trained, pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    predict_images(trained, (bad, bad, pictures / "0.png", bad), tmp_path / "out.csv")
    assert [bool(each["error"]) for each in lines(tmp_path / "out.csv")] == [True, True, False, True]
    with pytest.raises(ValueError, match="all of 1 images are bad"):
        predict_images(trained, (bad,), tmp_path / "out.csv")
    assert [bool(each["error"]) for each in lines(tmp_path / "out.csv")] == [True]


def test_the_old_file_stays_until_the_new_one_is_complete(trained, pictures, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    output.write_text("old")

    def fail(network, batches, **_):
        next(batches)
        yield np.zeros((1, 10), np.float32)
        raise RuntimeError("the device is lost")

    monkeypatch.setattr("mixup_jax.network.Network.predict_batches", fail)
    with pytest.raises(RuntimeError, match="lost"):
        predict_images(trained, (pictures,), output)
    assert output.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_no_more_than_a_few_files_are_decoded_ahead():
    begun = []

    def as_input(path, notes):
        begun.append(path)
        return np.zeros((1, 1, 1), np.uint8)

    found = decoded((str(index) for index in range(1000)), as_input, ahead=5)
    assert [next(found)[0] for _ in range(10)] == [str(index) for index in range(10)]
    assert len(begun) <= 20
    found.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top must be from 1"),
        ({"batch_size": 0}, "batch_size must be from 1"),
        ({"paths": ()}, "PATH is missing"),
        ({"output": "folder"}, "output must be a file"),
        ({"paths": ["nowhere"]}, "nowhere does not exist"),
        ({"paths": ["folder"]}, "no pictures in"),
    ],
)
def test_what_is_refused_before_anything_is_computed(trained, tmp_path, options, message):
    (tmp_path / "folder").mkdir()
    here = {"paths": ("folder",), "output": "out.csv"} | options
    here["paths"] = tuple(tmp_path / each for each in here["paths"])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        predict_images(trained, **here | {"output": tmp_path / here["output"]})


def test_mirror_images_are_for_networks_that_have_seen_them(trained, pictures, tmp_path):
    network = mixup_jax.load(trained)
    predict_images(trained, (pictures / "0.png",), tmp_path / "out.csv", tta=True)
    [found] = lines(tmp_path / "out.csv")
    expected = network([pictures / "0.png"], mirror=True).max()
    assert float(found["probability"]) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.thorough
def test_an_export_and_the_best_checkpoint_are_predicted_as_the_run_is(trained, pictures, tmp_path):
    some = tuple(pictures / f"{index}.png" for index in range(5))
    export.main(trained, tmp_path / "export", seed=1, program=False)
    assert predict.command_of(predict.kind_of(tmp_path / "export")) is predict_images
    predict_images(tmp_path / "export", some, tmp_path / "out.csv")
    network = mixup_jax.load(trained)
    alone = jax.tree.map(lambda leaf: leaf[1:], (network.params, network.batch_stats))
    network = replace(network, params=alone[0], batch_stats=alone[1], seeds=(1,))
    found = [float(each["probability"]) for each in lines(tmp_path / "out.csv")]
    np.testing.assert_allclose(found, network(some).max(axis=1), atol=1e-5)
    predict_images(trained, some, tmp_path / "best.csv", checkpoint="best")
    best = mixup_jax.load(trained, checkpoint="best")(some).max(axis=1)
    np.testing.assert_allclose([float(each["probability"]) for each in lines(tmp_path / "best.csv")], best, atol=1e-6)


def test_a_folder_that_is_no_run_is_refused_and_runs_in_it_are_named(trained, tmp_path):
    with pytest.raises(ValueError, match=f"runs are in it: {trained}"):
        predict.kind_of(trained.parent)
    with pytest.raises(ValueError, match="not the folder of a run"):
        predict.kind_of(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        predict.kind_of(tmp_path / "none")
