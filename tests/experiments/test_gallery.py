"""Laws of the gallery: every picture shows what the method's label says."""

import numpy as np
import pytest
from PIL import Image

from experiments import gallery


def test_the_smoke_run_writes_its_pictures_and_the_same_bytes_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = {"mixup.png", "cutmix.png", "methods.png", "mixed_samples.png", "lambda.png"}
    for folder in ("first", "second"):
        gallery.main(output=tmp_path / folder, smoke=True)
        assert {path.name for path in (tmp_path / folder).iterdir()} == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        with Image.open(tmp_path / "first" / name) as image:
            assert len(image.info["Description"]) > 20


def test_a_data_set_shows_the_first_image_of_each_class():
    pictures = gallery.one_of_each("digits", None)
    assert pictures.names == ("0", "1", "2")
    assert pictures.image.shape == (3, 8, 8, 1)


@pytest.mark.parametrize("name", gallery.METHODS)
def test_every_method_of_the_gallery_keeps_the_label_mass(rng, name):
    pictures = gallery.photographs(16)
    _, method = gallery.METHODS[name]
    _, labels = gallery.drawn(rng, method, pictures)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    assert len({tuple(label) for label in labels.tolist()}) > 1
