"""Laws of a folder of words: the sets are those of the lists, or of the rule behind them."""

import logging
import tarfile

import numpy as np
import pytest
from recordings import SPEAKERS, record, words
from small_archives import described, tar_gz

from mixup_jax.data.sources import load
from mixup_jax.data.speech import commands
from mixup_jax.data.speech.commands import LISTS, which_set
from mixup_jax.data.speech.recordings import Speech

WAVES = Speech(waveform=True)  # nothing to compute


def arrays(data):
    return [getattr(data, f"{part}_{what}") for part in ("train", "valid", "test") for what in ("image", "label")]


@pytest.mark.parametrize("part", SPEAKERS)
def test_the_rule_is_that_of_the_archives_lists(part):
    assert {which_set(f"{SPEAKERS[part]}_nohash_{take}.wav") for take in range(5)} == {part}


def test_a_tenth_goes_to_either_set():
    sets = [which_set(f"{speaker:08x}_nohash_0.wav") for speaker in range(4000)]
    assert 0.08 < sets.count("valid") / 4000 < 0.12
    assert 0.08 < sets.count("test") / 4000 < 0.12


def test_without_lists_the_rule_makes_the_same_sets_and_says_so(tmp_path, caplog):
    with_lists, without = words(tmp_path / "a"), words(tmp_path / "b", lists=False)
    first = load(f"speech:{with_lists}", speech=WAVES)
    assert "by the hash of the file names" not in caplog.text
    with caplog.at_level(logging.WARNING):
        second = load(f"speech:{without}", speech=WAVES)
    assert "validation_list.txt and testing_list.txt missing" in caplog.text
    assert all(np.array_equal(*pair) for pair in zip(arrays(first), arrays(second), strict=True))
    assert first.classes == ("bed", "cat")
    assert (len(first.train_label), len(first.valid_label), len(first.test_label)) == (4, 4, 4)


def test_the_lists_overrule_the_rule(tmp_path):
    folder = words(tmp_path / "a")
    swapped = [(folder / name).read_text() for name in LISTS.values()]
    before = load(f"speech:{folder}", speech=WAVES)
    for name, text in zip(reversed(LISTS.values()), swapped, strict=True):
        (folder / name).write_text(text)
    after = load(f"speech:{folder}", speech=WAVES)
    assert np.array_equal(before.valid_image, after.test_image)
    assert np.array_equal(before.test_image, after.valid_image)


def test_the_kinds_of_features_are_cached_apart(tmp_path):
    folder = words(tmp_path / "a")
    shapes = [load(f"speech:{folder}", speech=kind).image_shape for kind in (WAVES, Speech(), Speech(nyquist=True))]
    assert shapes == [(16000, 1, 1), (160, 101, 1), (161, 101, 1)]
    again = load(f"speech:{folder}", speech=WAVES)
    assert again.image_shape == shapes[0]
    assert not again.valid_image.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("bed/", "Bed/"), "2 of 8 recordings of the lists are missing .*Bed/026290a7"),
        (lambda text: text + "dog/a.wav\n", r"1 of 9 recordings of the lists are missing \(the first: dog/a.wav\)"),
        (lambda text: text.replace("/", "\\"), "4 of 8 recordings of the lists are missing"),
        (lambda text: text + "bed/0c40e715_nohash_0.wav\n", "bed/0c40e715_nohash_0.wav is in the other list, too"),
        (lambda text: "\x00\udcff", "is not a list of recordings"),
    ],
)
def test_lines_of_the_lists_that_match_nothing_or_two_sets_are_refused(tmp_path, change, message):
    folder = words(tmp_path / "a")
    path = folder / "validation_list.txt"
    path.write_bytes(change(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=message):
        load(f"speech:{folder}", speech=WAVES)


def test_lists_may_have_blank_lines_and_the_line_ends_of_windows(tmp_path):
    folder = words(tmp_path / "a")
    before = load(f"speech:{folder}", speech=WAVES)
    for name in LISTS.values():
        text = (folder / name).read_text().replace("\n", " \r\n") + "\r\n"
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    after = load(f"speech:{folder}", speech=WAVES)
    assert all(np.array_equal(*pair) for pair in zip(arrays(before), arrays(after), strict=True))


def test_what_is_no_recording_is_counted_and_folders_within_a_word_are_used(tmp_path, caplog):
    folder = words(tmp_path / "a")
    record(folder / "bed" / "more" / "004ae714_nohash_7.wav", seed=7)
    (folder / "bed" / "a.flac").write_text("")
    (folder / "bed" / ".a.wav").write_text("")
    (folder / "notes.txt").write_text("")
    assert len(load(f"speech:{folder}", speech=WAVES).train_label) == 5
    for note in (
        ".flac (the first: a/bed/a.flac)",
        "hidden (the first: a/bed/.a.wav)",
        "classes (the first: notes.txt)",
    ):
        assert note in caplog.text
    assert "used, in a folder within a class (the first: a/bed/more/" in caplog.text
    assert "begins with _ (the first: _background_noise_)" in caplog.text


def test_one_word_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has the one class bed; at least two"):
        load(f"speech:{words(tmp_path, names=('bed',))}", speech=WAVES)


def test_what_a_machine_spoke_is_synthetic(tmp_path):
    folder = words(tmp_path / "a")
    assert load(f"speech:{folder}", speech=WAVES).mark == "REAL"
    (folder / "synthetic.json").write_text("{}")
    assert load(f"speech:{folder}", speech=WAVES).mark == "SYNTHETIC"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda folder: (folder / "dog").mkdir(), ValueError, "dog holds no files .*.wav"),
        (
            lambda folder: (folder / "testing_list.txt").write_text(""),
            ValueError,
            "no recording belongs to the test set",
        ),
        (lambda folder: folder.rename(folder.parent / "b"), FileNotFoundError, "is no folder; files are expected"),
        (
            lambda folder: (folder / "bed" / "x.wav").write_bytes(b"x"),
            ValueError,
            "x.wav cannot be read as a recording",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_explained(tmp_path, change, error, message):
    folder = words(tmp_path / "a")
    change(folder)
    with pytest.raises(error, match=message):
        load(f"speech:{folder}", speech=WAVES)


def test_a_folder_without_words_is_explained(tmp_path):
    record(tmp_path / "_background_noise_" / "a.wav")
    with pytest.raises(ValueError, match="holds no folders of classes"):
        load(f"speech:{tmp_path}")


def test_the_archive_is_unpacked_once(tmp_path, monkeypatch):
    words(tmp_path / "made")
    path = tmp_path / "data" / commands.ARCHIVE.name
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "made", ".")
    monkeypatch.setattr(commands, "ARCHIVE", described(path.read_bytes(), path.name))
    monkeypatch.setattr(commands, "WORDS", ["bed", "cat"])
    monkeypatch.setattr(commands, "RECORDINGS", 12)
    first = load("speech_commands", path.parent, WAVES)
    path.unlink()
    second = load("speech_commands", path.parent, WAVES)
    assert (first.name, first.mark) == ("speech_commands", "REAL")
    assert all(np.array_equal(*pair) for pair in zip(arrays(first), arrays(second), strict=True))
    assert sorted(entry.name for entry in path.parent.iterdir()) == [commands.FOLDER]


def test_hostile_members_are_not_unpacked(tmp_path):
    names = ("../out.wav", "/tmp/bed/out.wav", "bed/../../out.wav", "bed/a.wav", "bed/b.sh", "./validation_list.txt")
    (tmp_path / "a.tar.gz").write_bytes(tar_gz([(name, b"x") for name in names]))
    with tarfile.open(tmp_path / "links.tar.gz", "w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo("bed/link.wav")
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
        archive.addfile(tarfile.TarInfo("bed/c.wav"))
    (tmp_path / "in").mkdir()
    folder = commands.unpack(tmp_path / "a.tar.gz", tmp_path / "in" / "a")
    links = commands.unpack(tmp_path / "links.tar.gz", tmp_path / "in" / "b")
    found = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert found == ["a.tar.gz", "in/a/bed/a.wav", "in/a/validation_list.txt", "in/b/bed/c.wav", "links.tar.gz"]
    assert (folder, links) == (tmp_path / "in" / "a", tmp_path / "in" / "b")


def test_a_damaged_archive_leaves_nothing(tmp_path):
    content = tar_gz([("bed/a.wav", bytes(range(256)) * 40)])
    for damage in (content[: len(content) // 2], b"no archive", content[:60] + b"!!!!" + content[64:]):
        (tmp_path / "a.tar.gz").write_bytes(damage)
        with pytest.raises(ValueError, match=r"a.tar.gz cannot be unpacked into .*; unpack it there by hand"):
            commands.unpack(tmp_path / "a.tar.gz", tmp_path / "a")
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_part_of_the_archive_is_not_the_archive(tmp_path, monkeypatch):
    folder = words(tmp_path / commands.FOLDER)
    monkeypatch.setattr(commands, "WORDS", ["bed", "cat"])
    with pytest.raises(ValueError, match="holds 12 recordings of 64,721; remove it"):
        load("speech_commands", tmp_path, WAVES)
    (folder / (folder / "testing_list.txt").read_text().split()[0]).unlink()
    with pytest.raises(ValueError, match=r"1 of 8 recordings of the lists are missing \(the first: bed/"):
        load(f"speech:{folder}", speech=WAVES)


def test_a_folder_of_other_words_is_not_the_archive(tmp_path):
    words(tmp_path / commands.FOLDER)
    with pytest.raises(ValueError, match=r"lacks the words bird, .*a folder of other words is --dataset speech:"):
        load("speech_commands", tmp_path)


def test_without_the_archive_the_error_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "ARCHIVE", described(b"", commands.ARCHIVE.name))
    with pytest.raises(FileNotFoundError, match=r"speech_commands: speech_commands_v0.01.tar.gz .*run again"):
        load("speech_commands", tmp_path)
