"""Laws of photographs in folders: any size and format, upright, the same example whoever decodes it."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image, features
from small_archives import saved

from experiments.imagenet.archives import photograph
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.images.picture_files import FORMATS, read_picture
from mixup_jax.data.photographs import checked, files
from mixup_jax.data.photographs.crops import Box
from mixup_jax.data.photographs.files import decode_part
from mixup_jax.data.photographs.jpeg import cut_part
from mixup_jax.data.photographs.streamed import TrainingRows, batches
from mixup_jax.data.sources import load, open_data

PIXELS = np.asarray(Image.open(io.BytesIO(photograph(0, 1))).convert("RGB").resize((90, 70)))
SIZE, BATCH = 16, 4


def variants():
    """Files of every format and of the modes that are converted."""
    whole = Image.fromarray(PIXELS)
    made = {name: saved(whole, name) for name in FORMATS if name != "AVIF" or features.check("avif")}
    seen = Image.fromarray(np.dstack([PIXELS, np.arange(70 * 90).reshape(70, 90) % 256]).astype(np.uint8))
    made |= {
        "palette": saved(whole.convert("P")),
        "grey": saved(whole.convert("L")),
        "1 bit": saved(whole.convert("1")),
    }
    made |= {"transparent": saved(seen), "transparent grey": saved(seen.convert("LA")), "WEBP's": saved(seen, "WEBP")}
    made |= {f"{mode} JPEG": saved(whole.convert(mode), "JPEG") for mode in ("L", "CMYK")}
    made |= {"CMYK": saved(whole.convert("CMYK"), "TIFF"), "frames": saved(whole, save_all=True, append_images=[whole])}
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        made |= {f"{name} turned {orientation}": saved(whole, name, exif=exif) for name in ("JPEG", "PNG")}
    return made


VARIANTS = variants()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_part_of_every_format_is_that_part_of_what_is_read_whole(tmp_path, name):
    (tmp_path / "a").write_bytes(VARIANTS[name])
    whole = read_picture(tmp_path / "a", Tally(), "a")
    whole = np.broadcast_to(whole, (*whole.shape[:2], 3))
    for box in (Box(0, 0, *whole.shape[:2]), Box(5, 11, 40, 30), Box(30, 2, 36, 66)):
        corner = whole[box.top : box.top + box.height, box.left : box.left + box.width]
        expected = np.asarray(Image.fromarray(corner).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        shapes = []
        part = decode_part(VARIANTS[name], lambda *shape, box=box, to=shapes: to.append(shape) or box, SIZE, "bicubic")
        np.testing.assert_array_equal(part, expected)
        assert shapes == [whole.shape[:2]]  # the part is chosen in the upright picture
        linear, close = (
            decode_part(VARIANTS[name], lambda *_, box=box: box, SIZE),
            cut_part(np.ascontiguousarray(whole), lambda *_, box=box: box, SIZE, "linear"),
        )
        assert np.abs(linear.astype(int) - close).mean() < (12 if "JPEG" in name else 1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_check_says_of_a_file_is_what_is_decoded(tmp_path, name):
    (tmp_path / "a").write_bytes(VARIANTS[name])
    tally, verdict = Tally(), checked.look_at(VARIANTS[name])
    whole = read_picture(tmp_path / "a", tally, "a")
    assert (verdict.height, verdict.width) == whole.shape[:2]
    assert {note for note in verdict.notes if "grey" not in note} == set(tally.kinds())
    assert ("grey, gets three equal channels" in verdict.notes) == (whole.shape[2] == 1)


@pytest.fixture
def folder(tmp_path):
    """Two classes of pictures of unequal sizes, three formats, one of them turned: 10 to train on, 4 to test."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(14):
        place = tmp_path / "photos" / ("train" if number < 10 else "test") / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        suffix, file_format = (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"))[number % 3]
        picture = Image.open(io.BytesIO(photograph(number % 2, number))).resize((40 + 3 * number, 50))
        options = {"exif": exif} if number == 3 else {}
        picture.convert("RGB").save(place / f"{number}.{suffix}", file_format, **options)
    return tmp_path / "photos"


def opened(folder, **options):
    return open_data(f"folder:{folder}", pictures=Pictures(size=SIZE, **options))


def take(data, **options):
    iterator = batches(
        TrainingRows(data, BATCH, tuple((0, row) for row in range(BATCH))), 0, **{"workers": 0, "threads": 1} | options
    )
    try:
        return [next(iterator) for _ in range(5)]
    finally:
        iterator.close()


@pytest.mark.parametrize(
    "options", [{"threads": 3}, {"workers": 2}, pytest.param({"workers": 1}, marks=pytest.mark.slow)]
)
def test_batches_are_the_same_with_any_number_of_threads_and_workers(folder, options):
    data = opened(folder)
    for one, other in zip(take(data), take(data, **options), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
        assert one["image"].shape == (BATCH, SIZE, SIZE, 3)


def test_examples_have_the_class_of_their_folder_and_each_is_seen_once_an_epoch(folder):
    data = opened(folder)
    assert (data.train_count, data.test_count, data.classes) == (10, 4, ("a", "b"))
    names = sorted((photo.name, photo.label) for photo in pickle.loads(pickle.dumps(data.train)))
    assert names == sorted((f"train/{'ab'[n % 2]}/{n}.{('jpg', 'png', 'webp')[n % 3]}", n % 2) for n in range(10))
    for batch in take(data):
        assert set(batch["label"].tolist()) <= {0, 1}


def test_mean_and_deviation_are_those_of_the_training_photographs_and_are_kept(folder, monkeypatch):
    data = opened(folder)
    images = np.stack([data.clean_example(index)["image"] for index in range(10)]) / 255
    np.testing.assert_allclose(data.mean, images.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.std, images.std((0, 1, 2)), rtol=1e-12)
    monkeypatch.setattr(files, "statistics_of", None)
    monkeypatch.setattr(checked, "look_at", None)
    assert opened(folder).mean == data.mean  # a second start decodes nothing
    assert opened(folder).identity() == data.identity()


def test_the_identity_depends_on_names_classes_parts_and_contents(folder):
    digests = [opened(folder).digest]
    (folder / "train/a/0.jpg").rename(folder / "train/a/other.jpg")
    digests.append(opened(folder).digest)
    (folder / "train/a/other.jpg").rename(folder / "train/b/other.jpg")
    digests.append(opened(folder).digest)
    (folder / "train/b/other.jpg").rename(folder / "test/b/other.jpg")
    digests.append(opened(folder).digest)
    (folder / "test/b/other.jpg").write_bytes(VARIANTS["JPEG"])
    digests.append(opened(folder).digest)
    assert len(set(digests)) == len(digests)
    (folder / "test/b/other.jpg").touch()
    assert opened(folder).digest == digests[-1]


def test_a_file_that_changes_while_it_is_used_is_named(folder):
    data = opened(folder)
    for change in ("changed", "gone"):
        file = folder / "test/a/10.png"
        file.write_bytes(VARIANTS["PNG"]) if change == "changed" else file.unlink()
        with pytest.raises(ValueError, match=r"test/a/10.png (was changed|cannot be read any more)"):
            data.test_example(0)


def test_unequal_sizes_need_an_image_size_and_are_not_loaded_into_memory(folder):
    with pytest.raises(ValueError, match=r"train/a/\d.\w+ is .* must have one size: add --image-size N"):
        load(f"folder:{folder}")
    with pytest.raises(ValueError, match="does not fit into memory"):
        load(f"folder:{folder}", pictures=Pictures(size=SIZE))
