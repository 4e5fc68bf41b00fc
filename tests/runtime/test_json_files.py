"""Laws of reading JSON files of ours: one object of bounded size and depth, or one line that names the file."""

import os

import pytest

from mixup_jax.runtime import json_files
from mixup_jax.runtime.json_files import DEPTH, read_object

DEEP = 100_000
DAMAGED = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"3",
    "half of it": b'{"seeds": [0',
    "lists nested deep": b"[" * DEEP + b"]" * DEEP,
    "objects nested deep": b'{"a":' * DEEP + b"0" + b"}" * DEEP,
    "a value nested deep": b'{"seeds": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested a little too deep": b'{"seeds": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "an endless number": b'{"seeds": ' + b"9" * 5000 + b"}",
    "no UTF-8": b'{"seeds": "\xff"}',
    "without what is needed": b"{}",
    "another type": b'{"seeds": "0"}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_what_is_no_object_with_what_is_needed_is_one_line_that_names_the_file(content, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"result\.json is damaged") as caught:
        read_object(path, seeds=list)
    assert len(str(caught.value).replace(str(path), "").splitlines()) == 1
    assert len(str(caught.value)) < 400


def test_a_good_file_is_read_and_one_that_is_not_there_is_said(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(FileNotFoundError, match=r"result\.json does not exist"):
        read_object(path)
    path.write_text('{"seeds": [0], "deep": ' + "[" * (DEPTH - 1) + "]" * (DEPTH - 1) + "}")
    assert read_object(path, seeds=list)["seeds"] == [0]


def test_pipes_devices_folders_and_files_without_end_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_text(f'{{"seeds": "{"x" * 100}"}}')
    monkeypatch.setattr(json_files, "LARGEST", 50)
    for name in ("pipe", "zero", "folder", "large"):
        with pytest.raises(ValueError, match=f"{name} is damaged .*not readable"):
            read_object(tmp_path / name)
