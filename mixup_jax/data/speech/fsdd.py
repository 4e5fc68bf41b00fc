"""Free Spoken Digit Dataset (Jackson et al.): 3,000 recordings of ten digits by six speakers at 8 kHz, CC BY-SA 4.0."""

import logging
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.decoded import cached
from mixup_jax.data.files.folders import Tally, find_files
from mixup_jax.data.files.npz import read_npz
from mixup_jax.data.speech.recordings import Speech, one_second, read_recordings, speech_dataset

log = logging.getLogger(__name__)

RATE = 8000
RECORDING = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")  # digit, speaker, index
TEST_INDICES = 5
"""The first recordings of each speaker and digit are the test set, by the README of the data set."""
FOLDER = "free-spoken-digit-dataset"
ADDRESS = f"https://github.com/Jakobovski/{FOLDER}"
KEYS = {"audio", "length", "label", "speaker", "index"}


def load_fsdd(data_dir: Path, speech: Speech, speaker: str = "") -> Dataset:
    """Load from ``fsdd.npz`` in `data_dir`, or from the recordings in a clone of the repository of the data set.

    The archive holds `audio` (int16, all recordings end to end), `length` in samples, `label`, `speaker` and `index`.
    The test set is index 0 to 4 of each speaker and digit, 300 recordings; with a `speaker`, all recordings of this
    speaker, who is then not in the training set. Spectrograms are at 8 kHz, the rate of the recordings: the lower half
    of the paper's 160 rows, of which the upper half would be empty.

    Raises FileNotFoundError if both are missing, ValueError for damaged data and for an unknown speaker.
    """
    name = f"fsdd:{speaker}" if speaker else "fsdd"
    archive, folder = data_dir / "fsdd.npz", data_dir / FOLDER / "recordings"
    listing = Tally()
    if archive.is_file():
        source, files, read = archive, [archive], partial(_from_archive, archive)
    else:
        found = find_files(folder, [".wav"], listing) if folder.is_dir() else []
        files = [file for file in found if RECORDING.fullmatch(file.name)]
        for file in sorted({*found} - {*files}):
            listing.add("passed over, not named <digit>_<speaker>_<index>.wav", file.name)
        source, read = folder, partial(_from_recordings, files)
    if not files:
        raise FileNotFoundError(
            f"fsdd: neither {archive} nor recordings in {folder} found; git clone {ADDRESS} in {data_dir}"
        )
    decode = partial(_decode, name, speaker, read, speech)
    dataset = cached(name, source, files, decode, f"{speaker}/{speech.variant}")
    return replace(dataset, notes=(*listing.notes("files"), *dataset.notes))


def _decode(name: str, speaker: str, read, speech: Speech) -> Dataset:
    waveform, label, who, index, notes = read()
    if speaker and speaker not in who:
        raise ValueError(f"dataset is {name}; the speakers are {', '.join(sorted(set(who)))}")
    held_out = who == speaker if speaker else index < TEST_INDICES
    # A fixed random order, so that the first N training examples are a sample of all digits and speakers.
    train = np.random.RandomState(0).permutation(np.flatnonzero(~held_out))
    order = np.concatenate([train, np.flatnonzero(held_out)])
    sizes = (len(train), 0, int(held_out.sum()))
    return speech_dataset(
        name, "REAL", [str(digit) for digit in range(10)], waveform[order], label[order], sizes, speech, notes
    )


def _from_archive(path: Path) -> tuple[Any, ...]:
    try:
        content = read_npz(path)
        if missing := KEYS - set(content):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        audio, length = content["audio"], content["length"]
        rest = content["label"], content["speaker"], content["index"]
        kinds = "".join(array.dtype.kind for array in (length, *rest))
        flat = {array.shape for array in (length, *rest)} == {(length.size,)} and audio.ndim == 1 and length.size > 0
        if audio.dtype != np.int16 or not re.fullmatch("[iu][iu]U[iu]", kinds) or not flat:
            raise ValueError("its arrays are not what they should be")
        if length.min() < 1 or length.max() > len(audio) or length.sum() != len(audio):
            raise ValueError("its lengths are not those of its recordings")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not the data set ({error}); replace it") from error
    ends = np.cumsum(length)
    waveform = np.stack([one_second(audio[end - size : end], RATE) for size, end in zip(length, ends, strict=True)])
    return waveform, *rest, ()


def _from_recordings(files: list[Path]) -> tuple[Any, ...]:
    """Read the recordings ``<digit>_<speaker>_<index>.wav``."""
    names = [RECORDING.fullmatch(file.name) for file in files]
    label, speaker, index = (np.array([name[part] for name in names if name]) for part in (1, 2, 3))
    waveform, notes = read_recordings(files, RATE, "fsdd")
    return waveform, label.astype(int), speaker, index.astype(int), notes
