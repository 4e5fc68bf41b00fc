"""Laws of the gallery: every picture shows what the method's label says."""

import sys

import numpy as np
import pytest
from PIL import Image

from experiments.commands.errors import call
from experiments.gallery import __main__ as gallery
from experiments.gallery.figures import FIGURES
from experiments.gallery.images import first_examples, one_of_each, photographs, some_of_each


@pytest.mark.exhaustive
def test_the_smoke_run_writes_its_pictures_and_the_same_bytes_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drawn = ["mixup", "cutmix", "methods", "mixed_samples", "lambda", *FIGURES]
    names = {f"{name}.png" for name in drawn}
    for folder in ("first", "second"):
        gallery.main(workdir=tmp_path / folder, smoke=True)
        assert {path.name for path in (tmp_path / folder).iterdir()} == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        with Image.open(tmp_path / "first" / name) as image:
            assert "digits, REAL" in image.info["Description"]


@pytest.mark.parametrize("option", ["--workdir", "-o"])
def test_the_folder_is_an_option_as_in_every_experiment(tmp_path, monkeypatch, option):
    monkeypatch.setattr(sys, "argv", ["gallery.py", option, str(tmp_path / "here"), "--dataset", "nothing"])
    monkeypatch.setattr(gallery, "one_of_each", lambda *_: pytest.fail("parsed"))
    with pytest.raises(pytest.fail.Exception, match="parsed"):
        call(gallery.main, prog="gallery")


def test_a_data_set_shows_the_first_image_of_each_class():
    images = one_of_each("digits", None)
    assert images.names == ("0", "1", "2", "3", "4")
    assert images.image.shape == (5, 8, 8, 1)
    assert images.source == "digits, REAL"
    chosen = one_of_each("digits", None, ("3", "1"))
    assert chosen.names == ("3", "1")
    np.testing.assert_array_equal(chosen.image, images.image[[3, 1]])
    with pytest.raises(ValueError, match=r"classes must be among 0, 1, .*, got ten"):
        one_of_each("digits", None, ("1", "ten"))


def test_some_of_each_class_come_class_by_class():
    some = some_of_each(first_examples("digits", None, 64), classes=3, count=2)
    assert some.label.tolist() == [0, 0, 1, 1, 2, 2]
    assert some.image.shape == (6, 8, 8, 1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", gallery.METHODS)
def test_every_method_of_the_gallery_keeps_the_label_mass(rng, name):
    images = photographs(16)
    _, method = gallery.METHODS[name]
    _, labels = gallery.mixed_images(rng, method, images)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    assert len({tuple(label) for label in labels.tolist()}) > 1
