"""Files of weights that are damaged or lie are refused in one line, and nothing is allocated by what they say."""

import json
import pickle
import struct

import numpy as np
import pytest

from mixup_jax.weights.files import read_arrays

safetensors = pytest.importorskip("safetensors.numpy")
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_of(header, body=bytes(8), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


HOSTILE = {
    "empty": b"",
    "half a length": b"\0\0\0",
    "huge header": file_of({"a": ENTRY}, length=2**62),
    "truncated": file_of({"a": ENTRY}, body=bytes(4)),
    "longer": file_of({"a": ENTRY}, body=bytes(12)),
    "huge shape": file_of({"a": ENTRY | {"shape": [2**40, 2**40]}}),
    "negative": file_of({"a": ENTRY | {"shape": [-2]}}),
    "overlapping": file_of({"a": ENTRY, "b": ENTRY}),
    "twice one name": file_of(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
        bytes(16),
    ),
    "unknown dtype": file_of({"a": ENTRY | {"dtype": "F31"}}),
    "eight bits": file_of({"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}),
    "no json": file_of(b"{" * 1000),
    "whole numbers alone": file_of({"a": ENTRY | {"dtype": "I32"}}),
    "not finite": file_of({"a": ENTRY}, np.array([1, np.nan], "<f4").tobytes()),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_safetensors_file_is_refused_in_a_line(tmp_path, name):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match=r"weights.safetensors") as error:
        read_arrays(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<f8"])
def test_weights_of_any_precision_become_float32(tmp_path, dtype):
    safetensors.save_file({"a": np.array([1.5, -2], dtype), "count": np.array(3)}, tmp_path / "a.safetensors")
    arrays = read_arrays(tmp_path / "a.safetensors")
    assert arrays.keys() == {"a"}
    assert arrays["a"].dtype == np.float32
    assert arrays["a"].tolist() == [1.5, -2]


def test_sixteen_bits_of_brain_floats_are_read(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(
        file_of({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"\xc0\x3f")
    )
    assert read_arrays(tmp_path / "a.safetensors")["a"].tolist() == [1.5]


def test_pickles_are_not_unpickled(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Bomb(str(trace))))
    with pytest.raises(ValueError, match=r"weights.pth.*(pip install torch|cannot be read)") as error:
        read_arrays(path)
    assert "\n" not in str(error.value)
    assert not trace.exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a.onnx; it must be the folder of a run, or a file .npz"):
        read_arrays(tmp_path / "a.onnx")
    with pytest.raises(FileNotFoundError, match=r"b.pth, which is not there"):
        read_arrays(tmp_path / "b.pth")
