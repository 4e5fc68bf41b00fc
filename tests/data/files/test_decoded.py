"""Laws of the cache of decoded images: the same data, at once the next time, and never stale or half."""

import os
import subprocess
import sys
import time
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.archives import decoded_dir
from mixup_jax.data.files.decoded import cached


@pytest.fixture
def dataset():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    label = generator.integers(0, 2, 7).astype(np.int32)
    # odd lengths: labels are not aligned by chance
    return Dataset("a", "LOSSY", ("x", "y"), image, label, image[:3], label[:3], (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "source"
    file.write_bytes(b"123")
    return file


def never():
    raise AssertionError("decoded again")


def assert_equal(a, b):
    for field in fields(Dataset):
        mine, other = getattr(a, field.name), getattr(b, field.name)
        assert mine is other if other is None else np.array_equal(mine, other)


def cache_file():
    (file,) = decoded_dir().iterdir()
    return file


def test_the_second_load_is_mapped_and_equal(dataset, source):
    assert_equal(cached("a", source, [source], lambda: dataset), dataset)
    again = cached("a", source, [source], never)
    assert_equal(again, dataset)
    assert not again.train_image.flags.writeable
    assert isinstance(again.classes, tuple)
    assert isinstance(again.mean, tuple)


def test_a_validation_set_and_other_types_are_kept(dataset, source):
    half = {f"{part}_image": np.float16(dataset.train_image[:n]) / 9 for part, n in (("train", 7), ("test", 3))}
    more = replace(dataset, **half, valid_image=half["test_image"][:1], valid_label=dataset.test_label[:1])
    cached("a", source, [source], lambda: more)
    again = cached("a", source, [source], never)
    assert_equal(again, more)
    assert again.valid_image.dtype == np.float16


def test_variants_of_one_source_do_not_push_each_other_out(dataset, source):
    other = replace(dataset, mark="REAL")
    cached("a", source, [source], lambda: dataset)
    cached("a", source, [source], lambda: other, "other")
    assert_equal(cached("a", source, [source], never), dataset)
    assert_equal(cached("a", source, [source], never, "other"), other)


@pytest.mark.parametrize("change", [lambda f: f.write_bytes(b"1234"), lambda f: os.utime(f, (1, 1))])
def test_a_changed_source_is_decoded_again_into_the_same_file(dataset, source, change):
    cached("a", source, [source], lambda: dataset)
    change(source)
    decodings = []
    assert_equal(cached("a", source, [source], lambda: decodings.append(1) or dataset), dataset)
    assert decodings == [1]
    assert_equal(cached("a", source, [source], never), dataset)
    assert len(list(decoded_dir().glob("*.arrays"))) == 1


def test_a_source_in_the_place_of_another_of_its_size_and_time_is_decoded_again(dataset, source, tmp_path):
    cached("a", source, [source], lambda: dataset)
    other = tmp_path / "other"
    other.write_bytes(source.read_bytes()[::-1])
    os.utime(other, ns=(source.stat().st_mtime_ns,) * 2)
    other.replace(source)
    changed = replace(dataset, test_label=dataset.test_label[::-1])
    assert_equal(cached("a", source, [source], lambda: changed), changed)


def flip_a_bit(content):
    return content[:-50] + bytes([content[-50] ^ 1]) + content[-49:]


DAMAGES = {
    "truncated": lambda content: content[:-1],
    "in its header": lambda content: content[:50],
    "longer": lambda content: content + b"\0",
    "empty": lambda content: b"",
    "a bit flipped": flip_a_bit,
    "something else": lambda content: b"\xff\x00\n",
    "other JSON": lambda content: b"[]\n",
    "a number": lambda content: b'{"signature": 1}\n',
    "a dtype that NumPy warns of": lambda content: content.replace(b'"|u1"', b'"|a1"', 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_rebuilt(dataset, source, damage):
    cached("a", source, [source], lambda: dataset)
    whole = cache_file().read_bytes()
    cache_file().write_bytes(damage(whole))
    assert_equal(cached("a", source, [source], lambda: dataset), dataset)
    assert cache_file().read_bytes() == whole


def test_without_a_cache_folder_it_works(dataset, source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert_equal(cached("a", source, [source], lambda: dataset), dataset)


def test_a_failed_write_leaves_nothing_and_works(dataset, source, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_equal(cached("a", source, [source], lambda: dataset), dataset)
    assert list(decoded_dir().iterdir()) == []


def test_what_a_killed_process_left_is_removed_when_old(dataset, source):
    decoded_dir().mkdir(parents=True)
    old, new = decoded_dir() / "old.part", decoded_dir() / "new.part"
    for file, age in ((old, 7200), (new, 0)):
        file.write_bytes(b"half")
        os.utime(file, (time.time() - age,) * 2)
    cached("a", source, [source], lambda: dataset)
    assert not old.exists()
    assert new.exists()


def test_a_reader_keeps_its_images_when_the_file_is_replaced(dataset, source):
    first = cached("a", source, [source], lambda: dataset)
    os.utime(source, (1, 1))
    cached("a", source, [source], lambda: dataset)
    assert_equal(first, dataset)


@pytest.mark.thorough
def test_processes_that_start_at_once_all_succeed(tmp_path):
    """All decode, each moves its file into place, all read the same."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    for part in ("train", "test"):
        for i, image in enumerate(pixels):
            folder = tmp_path / part / "ab"[i % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{i:02d}.png")
    code = "import sys; from mixup_jax.data.sources import load; print(load(sys.argv[1]).test_image.sum())"
    start = partial(subprocess.Popen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes = [start([sys.executable, "-c", code, f"folder:{tmp_path}"]) for _ in range(3)]
    results = [process.communicate() for process in processes]
    assert [output.strip() for output, _ in results] == [str(pixels.sum())] * 3, results
    assert len(list(decoded_dir().glob("*.arrays"))) == 1
