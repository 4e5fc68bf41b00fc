"""Targets of tables and archives: CSV in any wrapping, UCI's files, CIFAR's and ImageNet's tars."""

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

from mixup_jax.data.files.archives import Archive
from mixup_jax.data.imagenet import tars as imagenet_tars
from mixup_jax.data.images import cifar
from mixup_jax.data.tables import uci
from mixup_jax.data.tables.csv_file import read_csv

from .law import Target
from .pictures import PIXELS, picture

CSV = b"size,colour,y\n1.5,red,a\n2,blue,b\n?,red,a\n3.25,blue,b\n4,,a\n"
QUOTED = "größe;farbe,y\n\"1,5\",rot,a\n'2',blau,b\n3,rot,a\n".encode()
WORDS = (b"y,y", b",,,,", b"1,234", b"\xef\xbb\xbf", b"\r", b'"\n"', b"inf", b"1e999", b"12%", b"NA")


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    """Return a tar of members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a zip of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WRAPPINGS = {
    ".gz": [gzip.compress(CSV), CSV],
    ".bz2": [bz2.compress(CSV), CSV],
    ".xz": [lzma.compress(CSV), CSV],
    ".zip": [zipped({"t.csv": CSV}), zipped({"a.csv": CSV, "b.csv": CSV}), zipped({}), CSV],
    ".tar": [tar({"t.csv": CSV}), tar({}), CSV],
    ".tar.gz": [tar({"t.csv": CSV}, "w:gz"), gzip.compress(CSV), CSV],
    ".zst": [CSV, b"\x28\xb5\x2f\xfd" + CSV],
}


def cifar_archive() -> bytes:
    """Return CIFAR-10's archive, two records a member."""
    record = bytes(range(256)) * 13
    return tar(dict.fromkeys((*cifar.CIFAR10.train, *cifar.CIFAR10.test), (b"\x01" + record[:3072]) * 2), "w:gz")


def read_cifar(folder: Path) -> None:
    """Load CIFAR-10 from an archive whose checksum is right, whatever is in it."""
    path = folder / "downloads" / cifar.CIFAR10.archive.name
    content = path.read_bytes()
    archive = Archive(cifar.CIFAR10.archive.url, len(content), hashlib.sha256(content).hexdigest())
    cifar.load_cifar(replace(cifar.CIFAR10, archive=archive, records=(2, 2)), folder)


def train_tar() -> list[bytes]:
    """Return ImageNet's training archive of two classes."""
    image = picture(PIXELS, "JPEG")
    classes = {f"{name}.tar": tar({f"{name}_{i}.JPEG": image for i in (1, 2)}) for name in ("n01440764", "n01443537")}
    return [tar(classes), tar({"ILSVRC2012_val_00000001.JPEG": image})]


def read_train_tar(folder: Path) -> None:
    """Read every image of the training archive."""
    path = folder / "train.tar"
    for span in imagenet_tars.class_spans(path).values():
        list(imagenet_tars.training_images(path, span))


def read_val_tar(folder: Path) -> None:
    """Read every image of the validation archive."""
    path = folder / "val.tar"
    list(imagenet_tars.validation_images(path, list(imagenet_tars.validation_spans(path).values())))


TAR_WORDS = (
    b"ustar\0",
    b"n01440764.tar",
    b"../../x",
    b"x\0",
    b"77777777777",
    b"\x80\0\0\0\0\0\0\xff",
    b"ILSVRC2012_val_00000001.JPEG",
)
PHISHING = b"@relation p\n@attribute a {-1,0,1}\n@attribute Result {-1,1}\n@data\n1,1\n0,-1\n"
TARGETS = [
    Target("csv", "t.csv", lambda: [CSV, QUOTED], lambda folder: read_csv(folder / "t.csv", "y"), words=WORDS),
    *(
        Target(
            f"csv{suffix}",
            f"t.csv{suffix}",
            lambda good=good: good,
            lambda folder, suffix=suffix: read_csv(folder / f"t.csv{suffix}", "y"),
            words=WORDS,
            good=suffix != ".zst",  # read where the package zstandard is installed
        )
        for suffix, good in WRAPPINGS.items()
    ),
    Target(
        "arff",
        "uci/PhishingData.arff",
        lambda: [PHISHING],
        lambda folder: uci.load_tabular("phishing", folder),
        words=(b"@attribute", b"@data"),
        good=0,  # the checksum is another's
    ),
    Target("cifar_tar", f"downloads/{cifar.CIFAR10.archive.name}", lambda: [cifar_archive()], read_cifar),
    Target("imagenet_train_tar", "train.tar", train_tar, read_train_tar, words=TAR_WORDS),
    Target(
        "imagenet_val_tar",
        "val.tar",
        lambda: [tar({f"ILSVRC2012_val_{i:08d}.JPEG": picture(PIXELS, "JPEG") for i in (7, 2)})],
        read_val_tar,
        words=TAR_WORDS,
    ),
]
