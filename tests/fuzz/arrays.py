"""Targets that hold arrays: NumPy's files, wafer maps, WM-811K's pickle, speech, decoded caches."""

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from experiments.wafer.files import read_folder, read_maps, read_npz, read_wm811k
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import decoded
from mixup_jax.data.images import fashion_mnist
from mixup_jax.data.speech import fsdd
from mixup_jax.data.speech import recordings as speech

from .law import Target
from .pictures import picture

MAPS = np.arange(4 * 8 * 8).reshape(4, 8, 8) % 3
LABEL = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
HEADERS = (
    b"\x93NUMPY\x01\x00",
    b"\x93NUMPY\x03\x00",
    b"'|O'",
    b"'<M8[s]'",
    b"'|S0'",
    b"'fortran_order': True",
    b"(0, 8, 8)",
)


def npy(array: np.ndarray, **options: bool) -> bytes:
    """Return an array as a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(compress: bool = True, **members: bytes) -> bytes:
    """Return members as a .npz file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def bomb(gibibytes: int = 3) -> bytes:
    """Return an archive of some megabytes with maps of zeros that fill gibibytes."""
    start, content = io.BytesIO(), io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (gibibytes, 2**15, 2**15)}
    np.lib.format.write_array_header_1_0(start, description)
    header = start.getvalue()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("arr_0.npy", header + bytes(2**20))
        archive.writestr("arr_1.npy", npy(np.eye(gibibytes, 8, dtype=np.uint8)))
    raw = content.getvalue()
    there, said = (len(header) + size for size in (2**20, gibibytes * 2**30))
    return raw.replace(there.to_bytes(4, "little"), said.to_bytes(4, "little"))


def wafer_archives() -> list[bytes]:
    """Return archives of maps with and without names of defects, and arrays of other kinds."""
    names = npy(np.array(["Ring", "Blob"]))
    good = {"arr_0.npy": npy(MAPS), "arr_1.npy": npy(LABEL), "defects.npy": names}
    floats = good | {"arr_0.npy": npy(np.asfortranarray(MAPS.astype(np.float32)))}
    objects = good | {"defects.npy": npy(np.array(["Ring", None], object), allow_pickle=True)}
    other = good | {"notes.txt": b"no array"}
    return [npz(**good), npz(False, **good), npz(**floats), npz(**objects), npz(False, **other), bomb()]


def wafer_archive(folder: Path) -> None:
    """Read an archive with its labels, and its maps alone."""
    read_npz(folder / "maps.npz")
    read_maps(folder / "maps.npz")


def put_into_archive(folder: Path) -> None:
    """Read an archive that is whole, but for one member."""
    member = (folder / "maps.npz").read_bytes()
    for name, others in (("arr_0.npy", {"arr_1.npy": npy(LABEL)}), ("arr_1.npy", {"arr_0.npy": npy(MAPS)})):
        (folder / "maps.npz").write_bytes(
            npz(**{name: member, "defects.npy": npy(np.array(["Ring", "Blob"]))}, **others)
        )
        try:
            read_npz(folder / "maps.npz")
        finally:
            (folder / "maps.npz").write_bytes(member)


def good_map(folder: Path) -> None:
    """Put a good map beside the one that is damaged."""
    (folder / "maps" / "Ring").mkdir(parents=True)
    (folder / "maps" / "Ring" / "good.npy").write_bytes(npy(MAPS[0]))


def frame() -> list[bytes]:
    """Return pickled frames as pandas writes them, and pickles that would run something."""
    import pandas as pd

    columns = {"waferMap": list(MAPS.astype(np.uint8)), "dieSize": [1.0] * 4}
    columns["failureType"] = [np.array([["Center"]]), np.array([["none"]]), np.zeros((0, 0)), np.array([["Scratch"]])]
    made = pd.DataFrame(columns)
    return [
        *(pickle.dumps(made, protocol) for protocol in (2, 5)),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    ]


def sound() -> list[bytes]:
    """Return recordings of several kinds."""
    import soundfile

    found = []
    for kind, rate, channels in (("PCM_16", 8000, 1), ("FLOAT", 16000, 2), ("PCM_U8", 8000, 1), ("ULAW", 8000, 1)):
        buffer = io.BytesIO()
        wave = np.sin(np.arange(300 * channels)).reshape(300, channels) / 2
        soundfile.write(buffer, wave, rate, subtype=kind, format="WAV")
        found.append(buffer.getvalue())
    return found


def spoken_digits() -> list[bytes]:
    """Return the layout of the spoken digits' archive, two recordings."""
    arrays = {"audio": np.arange(90, dtype=np.int16), "length": np.array([40, 50]), "label": np.array([0, 1])}
    arrays |= {"speaker": np.array(["ann", "bob"]), "index": np.array([0, 7])}
    return [npz(**{f"{name}.npy": npy(array) for name, array in arrays.items()})]


IDX = fashion_mnist._idx_header((2, 3)) + bytes(range(6))


def read_idx(folder: Path) -> None:
    """Read an IDX file of known content."""
    import hashlib

    fashion_mnist._read_idx(folder / "labels.gz", (2, 3), hashlib.sha256(IDX).hexdigest())


PIXELS = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
CLASS = np.array([0, 1], np.int32)
SIGNATURE = b"0" * 64


def small_data() -> Dataset:
    """Return what the cache holds."""
    return Dataset("small", "REAL", ("a", "b"), PIXELS, CLASS, PIXELS, CLASS, (0.5,) * 3, (0.25,) * 3)


def cache_file() -> list[bytes]:
    """Return a cache file, with zeros for the signature of its source."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.arrays"
        decoded._write(path, SIGNATURE.decode(), small_data())
        return [path.read_bytes()]


def read_cache(folder: Path) -> None:
    """Load from a cache of which the file is damaged: what comes out is the data, whatever is in it."""
    source = folder / "source"
    source.write_text("source")
    decoded.cached("small", source, [source], small_data)
    (path,) = (folder / "cache").rglob("*.arrays")
    signature = path.read_bytes().partition(b'"signature": "')[2][:64]
    path.write_bytes((folder / "cached").read_bytes().replace(SIGNATURE, signature))
    found = decoded.cached("small", source, [source], small_data)
    for name, value in vars(small_data()).items():
        assert np.array_equal(getattr(found, name), value), f"{name} is {getattr(found, name)}"


TARGETS = [
    Target("wafer_npz", "maps.npz", wafer_archives, wafer_archive),
    Target("wafer_npz_member", "maps.npz", lambda: [npy(MAPS), npy(LABEL)], put_into_archive, words=HEADERS, good=0),
    Target(
        "wafer_npy",
        "maps/Ring/0.npy",
        lambda: [npy(MAPS[0]), npy(MAPS[1].astype(">f8")), npy(np.array([{}], object), allow_pickle=True)],
        lambda folder: read_folder(folder / "maps", 8),
        good_map,
        HEADERS,
    ),
    Target(
        "wafer_png",
        "maps/Ring/0.png",
        lambda: [
            picture(MAPS[0].astype(np.uint8), "PNG"),
            picture(np.arange(192).reshape(8, 8, 3).astype(np.uint8), "PNG"),
            picture(PIXELS[0], "TIFF"),
        ],
        lambda folder: read_folder(folder / "maps", 8),
        good_map,
        (b"IHDR", b"IDAT", b"PLTE", b"zTXt"),
    ),
    Target(
        "wm811k",
        "LSWMD.pkl",
        frame,
        lambda folder: read_wm811k(folder / "LSWMD.pkl", 8),
        words=(
            b"cos\nsystem\n",
            b"(S'true'\ntR.",
            b"numpy\nndarray\n",
            b"\x8a\xff",
            b"r\xff\xff\xff\x7f",
            b"\x8e\xff\xff\xff\xff\xff\0\0\0",
        ),
    ),
    Target(
        "wav",
        "0.wav",
        sound,
        lambda folder: speech.read_recordings([folder / "0.wav"], 8000, "words"),
        words=(b"fmt ", b"data", b"LIST", b"fact", b"RF64", b"FORM"),
    ),
    Target(
        "fsdd_npz", "fsdd.npz", spoken_digits, lambda folder: fsdd._from_archive(folder / "fsdd.npz"), words=HEADERS
    ),
    Target("idx", "labels.gz", lambda: [gzip.compress(IDX), gzip.compress(bytes(2**24))], read_idx),
    Target("decoded_cache", "cached", cache_file, read_cache, words=(b'"|O"', b'"<f8"', b"[0]", b"[-1]")),
]
