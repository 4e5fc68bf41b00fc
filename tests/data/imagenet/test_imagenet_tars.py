"""Laws of the archives: hostile, swapped and truncated ones are refused, and no name of theirs becomes a path."""

import io
import tarfile

import pytest

from mixup_jax.data.imagenet import tars
from mixup_jax.data.imagenet.tars import class_spans, training_images, validation_images, validation_spans

SYNSETS = ("n01440764", "n01443537")
IMAGES = {f"{synset}_{i}.JPEG": bytes([i]) * 1000 for synset in SYNSETS for i in (3, 18)}


def tar(members):
    """Build a tar of (name or TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def class_tar(synset):
    return tar([(name, content) for name, content in IMAGES.items() if name.startswith(synset)])


def link(name, target="/etc/passwd", kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.tar"
    path.write_bytes(tar([(f"{synset}.tar", class_tar(synset)) for synset in SYNSETS]))
    return path


@pytest.fixture
def validation(tmp_path):
    path = tmp_path / "val.tar"
    path.write_bytes(tar([(f"ILSVRC2012_val_{number:08d}.JPEG", bytes([number])) for number in (7, 2, 50)]))
    return path


def test_every_image_of_a_class_comes_with_its_bytes(train):
    spans = class_spans(train)
    assert tuple(spans) == SYNSETS
    assert dict(each for synset in SYNSETS for each in training_images(train, spans[synset])) == IMAGES


def test_validation_images_come_by_their_numbers(validation):
    spans = validation_spans(validation)
    assert list(spans) == [2, 7, 50]
    contents = validation_images(validation, list(spans.values()))
    assert [content for _, content in contents] == [b"\x02", b"\x07", b"\x32"]


def test_swapped_archives_are_noticed(train, validation):
    with pytest.raises(ValueError, match="are --train-tar and --val-tar swapped"):
        class_spans(validation)
    with pytest.raises(ValueError, match="are --train-tar and --val-tar swapped"):
        validation_spans(train)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_archives_are_noticed(train, validation, share):
    for path, spans in ((train, class_spans), (validation, validation_spans)):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content.rstrip(b"\0")))])
        with pytest.raises(ValueError, match="truncated"):
            spans(path)


def test_a_class_that_ends_early_does_not_run_into_the_next(tmp_path):
    path = tmp_path / "train.tar"
    short = class_tar(SYNSETS[0])[:1600]
    path.write_bytes(tar([(f"{SYNSETS[0]}.tar", short), (f"{SYNSETS[1]}.tar", class_tar(SYNSETS[1]))]))
    with pytest.raises(ValueError, match=r"n01440764.tar is truncated"):
        list(training_images(path, class_spans(path)[SYNSETS[0]]))


HOSTILE = {
    "path": ("../../etc/passwd", b"x"),
    "absolute": ("/etc/passwd", b"x"),
    "folder before": ("a/n01440764_1.JPEG", b"x"),
    "other class": ("n01443537_1.JPEG", b"x"),
    "not a name": ("n01440764_1.JPEG\n", b"x"),
    "symbolic link": link("n01440764_1.JPEG"),
    "hard link": link("n01440764_1.JPEG", "n01440764_2.JPEG", tarfile.LNKTYPE),
    "device": link("n01440764_1.JPEG", "", tarfile.CHRTYPE),
    "sparse": link("n01440764_1.JPEG", "", tarfile.GNUTYPE_SPARSE),
}


def header(kind, size):
    """A header of a size that tarfile itself would not write."""
    block = bytearray(tarfile.TarInfo("n01440764_1.JPEG").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (b"\x80" if size >= 0 else b"\xff") + (size % 2**88).to_bytes(11, "big")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.REGTYPE])
@pytest.mark.parametrize("size", [-1, -(2**40), 2**40, 2**62])
def test_a_header_that_says_any_size_is_refused_without_reading_it(tmp_path, kind, size):
    path = tmp_path / "some.tar"
    path.write_bytes(header(kind, size) + bytes(2048))
    for spans in (class_spans, validation_spans):
        with pytest.raises(ValueError, match=r"holds|is truncated"):
            spans(path)
    path.write_bytes(tar([("n01440764.tar", header(kind, size) + bytes(2048))]))
    with pytest.raises(ValueError, match=r"holds|is truncated"):
        list(training_images(path, class_spans(path)["n01440764"]))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members_are_refused(tmp_path, name):
    path = tmp_path / "train.tar"
    path.write_bytes(tar([("n01440764.tar", tar([HOSTILE[name]]))]))
    with pytest.raises(ValueError, match=r"n01440764.tar (holds|is truncated|is damaged)"):
        list(training_images(path, class_spans(path)["n01440764"]))


@pytest.mark.parametrize("name", ["path", "absolute", "symbolic link", "hard link", "device"])
def test_hostile_members_of_the_outer_archives_are_refused(tmp_path, name):
    path = tmp_path / "some.tar"
    path.write_bytes(tar([HOSTILE[name]]))
    for spans in (class_spans, validation_spans):
        with pytest.raises(ValueError, match="holds"):
            spans(path)


def test_a_member_larger_than_any_image_is_not_read(train, validation, monkeypatch):
    monkeypatch.setattr(tars, "LARGEST_IMAGE", 0)
    with pytest.raises(ValueError, match="1000 bytes, more than any image"):
        list(training_images(train, class_spans(train)[SYNSETS[0]]))
    with pytest.raises(ValueError, match="more than any image"):
        validation_spans(validation)


def test_names_that_come_twice_are_refused(tmp_path):
    path = tmp_path / "some.tar"
    for name, spans in (("n01440764.tar", class_spans), ("ILSVRC2012_val_00000001.JPEG", validation_spans)):
        path.write_bytes(tar([(name, b""), (name, b"")]))
        with pytest.raises(ValueError, match="twice"):
            spans(path)


def test_what_is_no_tar_is_said_to_be_none(tmp_path):
    path = tmp_path / "some.tar"
    path.write_bytes(b"no tar" * 1000)
    with pytest.raises(ValueError, match="truncated or no tar"):
        class_spans(path)
