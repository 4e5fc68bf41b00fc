"""Laws of writing files: each is the old one or the new one, and nothing else is left."""

import json
import os
import stat

import pytest

from mixup_jax.runtime.atomic import replacing, write_json


def test_a_json_file_is_the_old_one_until_it_is_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_json(path, {"error": 1})

    def die(descriptor):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(OSError, match=f"{path} could not be written: no space"):
            write_json(path, {"error": 2})
    assert json.loads(path.read_text()) == {"error": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    write_json(path, {"error": 2})
    assert json.loads(path.read_text()) == {"error": 2}


def test_a_file_whose_writer_fails_is_not_there(tmp_path):
    def write():
        with replacing(tmp_path / "a") as part:
            part.write_bytes(b"half")
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows opens no folders")
def test_the_file_is_on_the_disk_before_it_gets_its_name_and_the_name_after_it(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "a").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_json(tmp_path / "a", {})
    assert synced == [(False, False), (True, True)]
