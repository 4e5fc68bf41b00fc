"""Laws of the preparation: labels come from names, nothing incomplete passes, and a kill costs no more than a file."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import psutil
import pytest

from experiments import prepare as command
from experiments.imagenet.archives import add, build_archives, photograph
from mixup_jax.data.imagenet import prepare as imagenet_prepare
from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.data.imagenet.source import MANIFEST, class_names, load_imagenet, validation_labels
from mixup_jax.data.photographs.streamed import Photograph
from mixup_jax.runtime.folder_lock import sole_owner

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return build_archives(tmp_path_factory.mktemp("archives"), classes=2, train=2, validation=2)


def contents(folder):
    """Return every photograph of a prepared folder, by name."""
    data = load_imagenet(folder)
    return {each[i].name: each[i] for each in (data.train, data.test) for i in range(len(each))}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.array_record")}


def test_the_lists_are_those_of_the_challenge():
    names, labels = class_names(), validation_labels()
    assert len(names) == len(set(names)) == 1000
    assert names == tuple(sorted(names))
    assert [labels.count(label) for label in range(1000)] == [50] * 1000


def test_each_photograph_keeps_its_bytes_and_has_the_label_of_its_name(archives, tmp_path):
    prepare(*archives, tmp_path, partial=True)
    found = contents(tmp_path)
    assert len(found) == 8
    for label in range(2):
        for number in range(2):
            name = f"{class_names()[label]}_{number + 1}.JPEG"
            assert found[name] == Photograph(name, label, photograph(label, number))
    for name in found:
        if "val" in name:
            number = int(name[-13:-5])
            label = validation_labels()[number - 1]
            assert found[name] == Photograph(name, label, photograph(label, number + 10_000))


def test_a_partial_archive_is_refused_unless_it_is_meant(archives, tmp_path):
    with pytest.raises(ValueError, match=r"holds 2 of the 1,000 classes; .*--partial"):
        prepare(*archives, tmp_path)
    assert not list(tmp_path.iterdir())


def test_counts_are_checked(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_prepare, "VALIDATION", 5)
    monkeypatch.setattr(imagenet_prepare, "CLASSES", 2)
    with pytest.raises(ValueError, match="holds 4 of the 5 validation images"):
        prepare(*archives, tmp_path / "a")
    monkeypatch.setattr(imagenet_prepare, "VALIDATION", 4)
    with pytest.raises(ValueError, match="holds 4 images instead of 1,281,167"):
        prepare(*archives, tmp_path / "b")
    assert not (tmp_path / "b" / MANIFEST).exists()


def test_a_second_start_writes_only_what_is_missing(archives, tmp_path):
    prepare(*archives, tmp_path, partial=True)
    before = files(tmp_path)
    (kept, lost, *_) = sorted(tmp_path.glob("*.array_record"))
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    (tmp_path / MANIFEST).unlink()
    (tmp_path / f".{lost.name}.1.part").write_bytes(b"half")
    with pytest.raises(ValueError, match="was not prepared to the end"):
        load_imagenet(tmp_path)
    prepare(*archives, tmp_path, partial=True)
    assert files(tmp_path) == before
    assert kept.stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", ["cut", "flipped", "no report", "report"])
def test_a_damaged_file_is_named_when_it_is_opened_and_repaired_by_the_same_command(archives, tmp_path, kind):
    prepare(*archives, tmp_path, partial=True)
    before = files(tmp_path)
    (damaged, kept, *_) = sorted(tmp_path.glob("*.array_record"))
    stamp = kept.stat().st_mtime_ns
    content = bytearray(damaged.read_bytes())
    if kind == "cut":
        damaged.write_bytes(content[:-70_000])
        with pytest.raises(ValueError, match=rf"{damaged.name} has .* bytes instead of .*prepare the data again"):
            load_imagenet(tmp_path)
    elif kind == "flipped":
        content[len(content) // 2] ^= 1
        damaged.write_bytes(content)
    elif kind == "no report":
        damaged.with_suffix(".json").unlink()
    else:
        damaged.with_suffix(".json").write_text("[]")
    prepare(*archives, tmp_path, partial=True)
    assert files(tmp_path) == before
    assert kept.stat().st_mtime_ns == stamp
    assert len(contents(tmp_path)) == 8


def test_another_source_is_not_mixed_in(archives, tmp_path):
    prepare(*archives, tmp_path, partial=True)
    with archives.train.open("ab") as file:
        file.write(bytes(512))
    with pytest.raises(ValueError, match="made from other archives"):
        prepare(*archives, tmp_path, partial=True)


def test_an_unreadable_image_is_named_and_left_out_only_if_asked(tmp_path):
    archives = build_archives(tmp_path / "archives", classes=2, train=1, validation=1)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as inner:
        add(inner, "n01440764_1.JPEG", photograph(0, 0))
        add(inner, "n01440764_2.JPEG", photograph(0, 1)[:20_000])
    with tarfile.open(archives.train, "w") as outer:
        add(outer, "n01440764.tar", content.getvalue())
    with pytest.raises(ValueError, match=r"n01440764_2.JPEG cannot be read .*truncated.*--skip-bad"):
        prepare(*archives, tmp_path / "a", partial=True)
    manifest = prepare(*archives, tmp_path / "a", partial=True, skip_bad=True)  # as the error said
    with pytest.raises(ValueError, match=r"left out of .*a with --skip-bad; add --skip-bad"):
        prepare(*archives, tmp_path / "a", partial=True)
    assert [each["name"] for each in manifest["skipped"]] == ["n01440764_2.JPEG"]
    assert "truncated" in manifest["skipped"][0]["reason"]
    assert manifest["images"] == {"train": 1, "validation": 2}
    assert len(contents(tmp_path / "a")) == 3


def test_a_class_that_is_none_of_imagenets_is_refused(tmp_path):
    archives = build_archives(tmp_path / "archives", classes=1, train=1, validation=1)
    with tarfile.open(archives.train, "w") as outer:
        add(outer, "n99999999.tar", b"")
    with pytest.raises(ValueError, match=r"n99999999.tar, which is none of the 1,000 classes"):
        prepare(*archives, tmp_path / "out", partial=True)


def test_one_process_at_a_time_writes_into_a_folder(archives, tmp_path):
    with (
        sole_owner(tmp_path, ""),
        pytest.raises(ValueError, match=r"another process is preparing .*choose another --out"),
    ):
        prepare(*archives, tmp_path, partial=True)
    assert not list(tmp_path.glob("*.json"))
    prepare(*archives, tmp_path, partial=True)


def test_a_home_that_is_not_known_is_named():
    with pytest.raises(ValueError, match=r"train_tar is ~nouser/train.tar, and the home folder of ~nouser"):
        command.main("imagenet", Path("~nouser/train.tar"), Path("val.tar"), Path("out"))


def processes_of(folder):
    """Return the living processes of a folder's preparation: whom the test started, and its workers."""
    return [
        each for each in psutil.process_iter(["environ"]) if (each.info["environ"] or {}).get("PREPARED") == str(folder)
    ]


@pytest.mark.slow
def test_killed_it_leaves_nobody_behind_and_started_again_it_comes_to_the_same_files(tmp_path):
    archives = build_archives(tmp_path / "archives", classes=30, train=3, validation=1)
    prepare(*archives, tmp_path / "whole", partial=True)
    folder = tmp_path / "killed"
    options = ["--train-tar", archives.train, "--val-tar", archives.validation, "--out", folder]
    command = [sys.executable, "-m", "experiments.prepare", "imagenet", *options, "--partial", "--workers", "2"]
    command, environment = [*map(str, command)], os.environ | {"PREPARED": str(folder)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    deadline = time.monotonic() + 100
    while not list(folder.glob("*.array_record")) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert len(processes_of(folder)) >= 4  # it, two workers, and what looks after multiprocessing's resources
    process.kill()  # and none of its workers
    process.wait()
    assert list(folder.glob("*.array_record"))
    deadline = time.monotonic() + 60
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of(folder)
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    assert "90 training and 30 validation images" in again.stdout
    assert files(folder) == files(tmp_path / "whole")
    manifests = [json.loads((each / MANIFEST).read_text()) for each in (folder, tmp_path / "whole")]
    assert manifests[0] == manifests[1]
