"""Laws of the spoken digits: the README's split, a speaker held out, and both sources alike."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixup_jax.data.sources import load
from mixup_jax.data.speech.fsdd import FOLDER
from mixup_jax.data.speech.recordings import Speech

REAL = Path(os.environ.get("MIXUP_JAX_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
WAVES = Speech(waveform=True)


@pytest.fixture
def sources(tmp_path):
    """Two speakers, ten digits, seven takes of 50 to 119 samples: as an archive and as a clone."""
    generator = np.random.default_rng(0)
    rows = [(digit, who, take) for digit in range(10) for who in ("ann", "bob") for take in range(7)]
    sounds = [generator.integers(-9000, 9000, 50 + i % 70).astype(np.int16) for i in range(len(rows))]
    label, speaker, index = map(np.array, zip(*rows, strict=True))
    content = {"audio": np.concatenate(sounds), "length": np.array([len(sound) for sound in sounds])}
    archive, clone = tmp_path / "archive", tmp_path / "clone"
    archive.mkdir()
    np.savez(archive / "fsdd.npz", **content, label=label, speaker=speaker, index=index)
    (clone / FOLDER / "recordings").mkdir(parents=True)
    for (digit, who, take), sound in zip(rows, sounds, strict=True):
        soundfile.write(clone / FOLDER / "recordings" / f"{digit}_{who}_{take}.wav", sound, 8000, subtype="PCM_16")
    return archive, clone, content | {"label": label, "speaker": speaker, "index": index}


def sets(data):
    return [
        {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
        for images, labels in ((data.train_image, data.train_label), (data.test_image, data.test_label))
    ]


@pytest.mark.parametrize(("name", "size"), [("fsdd", 100), ("fsdd:bob", 70)])
def test_archive_and_clone_are_the_same_data(sources, name, size):
    first, second = (load(name, folder, WAVES) for folder in sources[:2])
    assert sets(first) == sets(second)
    assert first.mark == "REAL"
    assert first.image_shape == (8000, 1, 1)
    assert len(first.test_label) == size
    assert not sets(first)[0].keys() & sets(first)[1].keys()


def test_an_unknown_speaker_is_told_the_known(sources):
    load("fsdd", sources[0], WAVES)
    with pytest.raises(ValueError, match="dataset is fsdd:waveform; the speakers are ann, bob"):  # not what is cached
        load("fsdd:waveform", sources[0])
    with pytest.raises(ValueError, match="dataset is fsdd:eve; the speakers are ann, bob"):
        load("fsdd:eve", sources[0])


def test_recordings_of_other_names_are_counted(sources, caplog):
    soundfile.write(sources[1] / FOLDER / "recordings" / "zero_ann_0.wav", np.ones(50), 8000, subtype="PCM_16")
    load("fsdd", sources[1], WAVES)
    assert "1 files: passed over, not named <digit>_<speaker>_<index>.wav (the first: zero_ann_0.wav)" in caplog.text
    assert "recordings: shorter than a second, padded with zeros" in caplog.text


@pytest.mark.parametrize("damage", ["lacks", "fit", "zip"])
def test_a_damaged_archive_is_named(sources, tmp_path, damage):
    content = dict(sources[2])
    if damage == "lacks":
        del content["speaker"]
    if damage == "fit":
        content["audio"] = content["audio"][:-1]
    np.savez(tmp_path / "fsdd.npz", **content)
    if damage == "zip":
        (tmp_path / "fsdd.npz").write_bytes((tmp_path / "fsdd.npz").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"fsdd.npz is not the data set \(.*\); replace it"):
        load("fsdd", tmp_path)


def test_without_data_the_error_says_where_it_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"git clone https://github.com/Jakobovski/free-spoken-digit-dataset"):
        load("fsdd", tmp_path)


def test_the_real_data_are_whole():
    if not (REAL / "fsdd.npz").is_file():
        pytest.skip("no fsdd.npz in $MIXUP_JAX_DATA")
    data, held_out = load("fsdd", REAL, WAVES), load("fsdd:theo", REAL, WAVES)
    assert np.bincount(data.train_label).tolist() == [270] * 10
    assert np.bincount(data.test_label).tolist() == [30] * 10
    assert np.bincount(held_out.test_label).tolist() == [50] * 10
    assert (data.train_image != 0).any(axis=(1, 2, 3)).all()
