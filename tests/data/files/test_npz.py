"""Laws of NumPy's files from anyone: what the header says is compared with the file before anything is made of it."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from mixup_jax.data.files.npz import RATIO, SMALL, read_npy, read_npz

MAPS = np.arange(4 * 8 * 8).reshape(4, 8, 8) % 3


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(shape, descr="|u1"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def pack(path, members, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def refused(read, path):
    """Return the reason for which a file is refused, in one line that names it, without much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="cannot be read as") as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "array", [MAPS, MAPS.astype(np.float16), np.asfortranarray(MAPS), np.array(["a", "böse"]), MAPS[:0]]
)
def test_what_numpy_has_saved_is_read_as_numpy_reads_it(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", array, named=array)
    for found in (read_npy(tmp_path / "a.npy"), *read_npz(tmp_path / "a.npz").values()):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    assert list(read_npz(tmp_path / "a.npz")) == list(np.load(tmp_path / "a.npz"))


LYING = {
    "more than the file holds": header((2**40,)) + bytes(100),
    "less than the file holds": header((3,)) + bytes(100),
    "negative": header((-2, -3)) + bytes(6),
    "endless numbers of nothing": header((2**40,), "|S0"),
    "objects": npy(np.array([{}], object), allow_pickle=True),
    "records": npy(np.zeros(2, [("a", int)])),
    "dates": npy(np.zeros(2, "M8[s]")),
    "strings of no characters": header((1,), "<U1") + b"\xff\xff\xff\xff",
    "strings of no characters, the other way round": header((1,), ">U1") + b"\0\x11\0\0",
    "nested deep": header((1,)).replace(b"{", b"(" * 60, 1) + bytes(1),
    "a later version": b"\x93NUMPY\x09\x00" + header((1,))[8:] + b"\0",
    "no header": b"\x93NUMPY",
    "text": b"1, 2, 3\n",
    "nothing": b"",
}


@pytest.mark.parametrize("content", LYING.values(), ids=list(LYING))
def test_a_damaged_or_lying_header_is_one_line_that_names_the_file(content, tmp_path):
    (tmp_path / "a.npy").write_bytes(content)
    refused(read_npy, tmp_path / "a.npy")
    refused(read_npz, pack(tmp_path / "a.npz", [("arr_0.npy", content)]))
    refused(read_npz, pack(tmp_path / "b.npz", [("arr_0.npy", npy(MAPS)), ("arr_1.npy", content)], zipfile.ZIP_STORED))


def test_members_that_are_no_arrays_and_two_of_one_name_are_refused(tmp_path):
    assert "'notes.txt'" in refused(read_npz, pack(tmp_path / "a.npz", [("notes.txt", b"none"), ("a.npy", npy(MAPS))]))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = pack(tmp_path / "b.npz", [("a.npy", npy(MAPS)), ("a.npy", npy(MAPS))])
    assert "one name" in refused(read_npz, twice)
    np.save(tmp_path / "c.npy", MAPS)
    refused(read_npz, tmp_path / "c.npy")


def test_members_longer_than_their_file_are_refused(tmp_path):
    whole = pack(tmp_path / "a.npz", [("arr_0.npy", npy(MAPS))], zipfile.ZIP_STORED)
    content, size = whole.read_bytes(), len(npy(MAPS)).to_bytes(4, "little")
    for longer in (len(npy(MAPS)) + 1, 2**28, 2**32 - 2):
        whole.write_bytes(content.replace(size, longer.to_bytes(4, "little")))
        refused(read_npz, whole)


def test_an_archive_that_unpacks_to_gibibytes_is_refused_before_that_is_allocated(tmp_path):
    start = header((3, 2**15, 2**15))
    path = pack(tmp_path / "bomb.npz", [("arr_0.npy", start + bytes(2**20))])
    there, said = (len(start) + size for size in (2**20, 3 * 2**30))
    path.write_bytes(path.read_bytes().replace(there.to_bytes(4, "little"), said.to_bytes(4, "little")))
    assert "3.0 GiB" in refused(read_npz, path)
    small = pack(tmp_path / "small.npz", [("arr_0.npy", npy(np.zeros((8, 256, 256), np.uint8)))])
    assert small.stat().st_size * RATIO < 2**19 < SMALL
    assert not read_npz(small)["arr_0"].any()


def test_a_folder_or_nothing_in_its_place_is_said(tmp_path):
    for read in (read_npy, read_npz):
        for path in (tmp_path, tmp_path / "gone"):
            with pytest.raises(FileNotFoundError, match=str(path)):
                read(path)
