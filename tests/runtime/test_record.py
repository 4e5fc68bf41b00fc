"""Laws of a run's files: no instant of death leaves them unreadable."""

import json
import re
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json


def write_steps(folder, *steps, rest=""):
    for step in steps:
        record.append_metrics(folder, {"step": step, "loss": [step / 3]})
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(rest)


@pytest.mark.parametrize("rest", ["", '{"step": 30, "lo', '{"step": 30', "\x00\x00", '{"step": 30}'])
def test_a_half_written_last_line_is_cut(tmp_path, rest):
    write_steps(tmp_path, 10, 20, rest=rest)
    assert [line["step"] for line in record.read_metrics(tmp_path, 20)] == [10, 20]
    record.append_metrics(tmp_path, {"step": 30})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]


def test_lines_after_the_checkpoint_are_cut_and_those_before_keep_every_digit(tmp_path):
    write_steps(tmp_path, 10, 20, 30)
    kept = record.read_metrics(tmp_path, 20)
    assert kept == [{"step": 10, "loss": [10 / 3]}, {"step": 20, "loss": [20 / 3]}]
    assert record.read_metrics(tmp_path, 1000) == kept


BAD = {
    "blank": b"",
    "half": b'{"step": 20, "lo',
    "not UTF-8": b'{"step": 20, "loss": "\xff"}',
    "another field": b'{"step": 20, "lgss": [6.7]}',
    "no object": b"[20]",
    "no number": b'{"step": "20", "loss": [6.7]}',
    "deep": b"[" * 100_000,
    "NUL": b"\x00\x00",
}


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_damaged_line_takes_no_other_with_it_and_is_kept_beside(tmp_path, bad, at):
    write_steps(tmp_path, 10, 30, 40, 50)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:at], bad, *lines[at:]]) + b"\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = record.read_metrics(tmp_path, 40, needs=["loss"])
    assert [line["step"] for line in kept] == [10, 30, 40]
    assert path.read_bytes().splitlines() == lines[:3]
    beside = (tmp_path / "metrics.jsonl.removed").read_bytes().splitlines()
    assert beside == ([bad] if bad else []) + lines[3:]
    assert [f"{path}" in str(each.message) and f"[{at + 1}]" in str(each.message) for each in caught] == [True] * bool(
        bad
    )
    assert record.read_metrics(tmp_path, 40) == kept
    assert (tmp_path / "metrics.jsonl.removed").read_bytes().splitlines() == beside


def test_no_metrics_are_no_error(tmp_path):
    assert record.read_metrics(tmp_path / "new", 5) == []


def test_the_digest_depends_on_every_bit_name_shape_and_dtype_and_on_nothing_else():
    params = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.zeros(2, np.float32)}
    same = {"b": jnp.zeros(2), "a": {"kernel": jnp.asarray(params["a"]["kernel"])}}
    assert record.digest(params) == record.digest(same)
    kernel = params["a"]["kernel"]
    flipped = kernel.copy()
    flipped.view(np.uint32)[1, 2] ^= 1
    others = [
        {"a": {"kernel": flipped}, "b": params["b"]},
        {"a": {"kernel": kernel}, "b": -params["b"]},  # -0.0
        {"a": {"kernel": kernel.T}, "b": params["b"]},
        {"a": {"kernel": kernel.reshape(3, 2)}, "b": params["b"]},
        {"a": {"kernel": kernel.view(np.int32)}, "b": params["b"]},
        {"a": {"scale": kernel}, "b": params["b"]},
        {"a": {"kernel": kernel}},
    ]
    assert len({record.digest(each) for each in (params, *others)}) == len(others) + 1
    assert record.digest({"x": kernel.T}) == record.digest({"x": np.ascontiguousarray(kernel.T)})


@pytest.mark.parametrize("lacks", ["seeds", "test_error", *record.MADE_BY])
def test_a_run_is_finished_by_a_result_and_by_nothing_else_that_is_called_so(tmp_path, lacks):
    path, made = tmp_path / "result.json", dict.fromkeys(record.MADE_BY, "x")
    assert record.finished(tmp_path) is None
    good = made | {"seeds": [0, 1], "test_error": {"last": [5.0, 6.0]}}
    write_json(path, good)
    assert record.finished(tmp_path) == good
    less = {name: value for name, value in good.items() if name != lacks}
    misfits = good | {"seeds": [0]}, good | {"test_error": {}}, good | {"test_error": {"last": 5.0}}
    for bad in ({}, [], None, less, *misfits):
        path.write_text(json.dumps(bad))
        with pytest.raises(ValueError, match=re.escape(str(path))):
            record.finished(tmp_path)
