"""Laws of the record files: what was written is read, and damage is named."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixup_jax.data.imagenet.shards import Shards, pack, unpack, write
from mixup_jax.data.photographs.streamed import Photograph

PHOTOGRAPHS = [Photograph(f"n0000000{i % 3}_{i}.JPEG", i, bytes([i]) * (100 * i)) for i in range(20)]


@pytest.mark.thorough
@given(st.text(max_size=40), st.integers(0, 999), st.binary(max_size=100))
def test_a_record_gives_back_its_photograph(name, label, encoded):
    photograph = Photograph(name, label, encoded)
    assert unpack(pack(photograph)) == photograph


def test_several_files_are_one_sequence_here_and_in_another_process(tmp_path):
    paths = [tmp_path / "a.array_record", tmp_path / "b.array_record"]
    assert write(paths[0], PHOTOGRAPHS[:7]) == 7
    assert write(paths[1], PHOTOGRAPHS[7:]) == 13
    for shards in (Shards(paths), pickle.loads(pickle.dumps(Shards(paths)))):
        assert len(shards) == 20
        assert [shards[i] for i in (19, 0, 6, 7)] == [PHOTOGRAPHS[i] for i in (19, 0, 6, 7)]


def test_a_foreign_record_is_refused():
    with pytest.raises(ValueError, match="a record has 3 bytes"):
        unpack(b"abc")


@pytest.mark.parametrize("cut", [0, 100_000, -1])
def test_a_file_that_was_cut_short_is_named(tmp_path, cut):
    paths = [tmp_path / "a.array_record", tmp_path / "b.array_record"]
    write(paths[0], PHOTOGRAPHS[:7])
    write(paths[1], [photograph._replace(encoded=bytes(20_000)) for photograph in PHOTOGRAPHS[7:]])
    paths[1].write_bytes(paths[1].read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"b\.array_record is damaged"):
        Shards(paths)


def test_a_flipped_bit_is_found_when_it_is_read_and_its_file_named(tmp_path):
    paths = [tmp_path / "a.array_record", tmp_path / "b.array_record"]
    write(paths[0], PHOTOGRAPHS[:7])
    write(paths[1], [photograph._replace(encoded=bytes(20_000)) for photograph in PHOTOGRAPHS[7:]])
    content = bytearray(paths[1].read_bytes())
    content[100_000] ^= 1
    paths[1].write_bytes(content)
    shards = Shards(paths)
    with pytest.raises(ValueError, match=r"b\.array_record is damaged"):
        [shards[i] for i in range(len(shards))]
    assert shards[3] == PHOTOGRAPHS[3]
