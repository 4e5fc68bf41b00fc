"""Google commands, v0.01 (Warden, 2017): 64,721 recordings of 30 words; and folders with the same layout."""

import hashlib
import logging
import re
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files import archives
from mixup_jax.data.files.archives import Archive, expand
from mixup_jax.data.files.decoded import cached
from mixup_jax.data.files.folders import Tally, check_several, class_files, class_folders
from mixup_jax.data.speech.recordings import Speech, read_recordings, speech_dataset
from mixup_jax.runtime.progress import progress

log = logging.getLogger(__name__)

NAME = "speech_commands"
FOLDER = "speech_commands_v0.01"
RATE = 16000
RECORDINGS = 64721
MEMBERS = 64764  # of the archive, roughly, for the progress bar
ARCHIVE = Archive(
    "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.01.tar.gz",
    1489096277,
    "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
)
SPOKEN = """
bed bird cat dog down eight five four go happy house left marvin nine no off on one right seven sheila six stop three
tree two up wow yes zero
"""
WORDS = SPOKEN.split()
WANTED = re.compile(r"(\./)?(\w+/\w+\.wav|\w+\.txt|README\.md|LICENSE)", re.ASCII)
"""Names of the members of the archive that are unpacked."""
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
SYNTHETIC = "synthetic.json"
"""A folder with this file holds synthetic speech; the file names the engine."""
KNOWN = (*LISTS.values(), SYNTHETIC, "README.md", "LICENSE")
HIDDEN = "._"
"""First characters of the names of folders that are no words, such as ``_background_noise_``."""

Files = list[tuple[Path, int]]


def load_speech_commands(data_dir: Path, speech: Speech) -> Dataset:
    """Load from the unpacked archive in `data_dir`, else from the archive, which is downloaded if need be.

    Raises ValueError if the folder lacks words or recordings, and what `load_words` raises.
    """
    folders = [parent / FOLDER for parent in (data_dir, data_dir / "downloads" / NAME, data_dir / "downloads")]
    folder = next((each for each in folders if each.is_dir()), None)
    if folder is None:
        (archive,) = archives.fetch(NAME, [ARCHIVE], data_dir)
        archives.verify(archive, ARCHIVE)
        folder = unpack(archive, archive.parent / FOLDER)
    found = [entry.name for entry in class_folders(folder, HIDDEN, Tally(), KNOWN)]
    if found != WORDS:
        missing = sorted(set(WORDS) - set(found))
        what = f"lacks the words {', '.join(missing)}" if missing else f"holds {len(found)} words"
        raise ValueError(f"{folder} {what} and is not {NAME}; a folder of other words is --dataset speech:{folder}")
    dataset = load_words(folder, speech, name=NAME)
    count = dataset.train_count + dataset.valid_count + dataset.test_count
    if count != RECORDINGS:
        raise ValueError(
            f"{folder} holds {count:,} recordings of {RECORDINGS:,}; remove it, and it is unpacked or downloaded again"
        )
    return dataset


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the archive; the folder gets its name when it is complete."""
    try:
        with tempfile.TemporaryDirectory(prefix=folder.name, dir=folder.parent) as temporary:
            whole = Path(temporary) / folder.name
            with tarfile.open(archive, "r:gz") as content:
                for member in progress(content, f"unpacking {archive.name}", total=MEMBERS):
                    if member.isfile() and WANTED.fullmatch(member.name):  # no links, and nothing outside the folder
                        target = whole / member.name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with target.open("wb") as file:
                            shutil.copyfileobj(cast(IO[bytes], content.extractfile(member)), file)
            whole.rename(folder)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{archive} cannot be unpacked into {folder} ({reason}); unpack it there by hand") from error
    return folder


def load_words(path: Path, speech: Speech, name: str = "") -> Dataset:
    """Load ``path/<word>/*.wav``: classes are the sorted names of the folders that begin with neither _ nor a dot.

    ``validation_list.txt`` and ``testing_list.txt`` list the recordings of the two sets, one ``<word>/<file>`` a line.
    If either is missing, the rule behind the lists of the archive makes both sets (`which_set`). The mark is SYNTHETIC
    if the folder holds a ``synthetic.json``.

    Raises FileNotFoundError for a path that is no folder; ValueError for fewer than two words, a word without
    recordings, a missing recording of the lists, an empty training or test set, and what `read_recordings` raises.
    """
    path, listing = expand(path, "dataset").resolve(), Tally()
    layout = "<word>/<name>.wav"
    words = class_files(path, [".wav"], listing, layout=layout, hidden=HIDDEN, known=KNOWN)
    check_several(path, words)
    name = name or f"speech:{path}"
    sets = divide(path, words)
    extra = [path / each for each in (*LISTS.values(), SYNTHETIC) if (path / each).is_file()]
    sources = [*extra, *(file for files in words.values() for file in files)]
    decode = partial(_decode, name, path, list(words), sets, speech)
    dataset = cached(name, path, sources, decode, speech.variant)
    return replace(dataset, notes=(*listing.notes("files or folders"), *dataset.notes))


def divide(path: Path, words: dict[str, list[Path]]) -> dict[str, Files]:
    """Divide the recordings into training, validation and test sets of (file, class id), sorted."""
    listed = {part: path / file for part, file in LISTS.items()}
    missing = [file.name for file in listed.values() if not file.is_file()]
    named = {} if missing else _read_lists(listed)
    if missing:
        log.warning("%s: %s missing; the sets are made by the hash of the file names", path, " and ".join(missing))
    else:
        there = {file.relative_to(path).as_posix() for files in words.values() for file in files}
        gone = [line for line in named if line not in there]
        if gone:
            raise ValueError(
                f"{path}: {len(gone)} of {len(named)} recordings of the lists are missing (the first: {gone[0]}); put "
                "them back, or take their lines out of the lists"
            )
    sets: dict[str, Files] = {"train": [], "valid": [], "test": []}
    for label, files in enumerate(words.values()):
        for file in files:
            part = which_set(file.name) if missing else named.get(file.relative_to(path).as_posix(), "train")
            sets[part].append((file, label))
    for part in ("train", "test"):
        if not sets[part]:
            raise ValueError(f"{path}: no recording belongs to the {part} set; check {' and '.join(LISTS.values())}")
    return sets


def _read_lists(lists: dict[str, Path]) -> dict[str, str]:
    """Return the set of each listed recording; raises ValueError for a recording in two lists."""
    named: dict[str, str] = {}
    for part, file in lists.items():
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not a list of recordings ({error})") from error
        for line in filter(None, lines):
            if named.setdefault(line, part) != part:
                raise ValueError(f"{file}: {line} is in the other list, too; a recording belongs to one set")
    return named


def which_set(file: str) -> str:
    """Return "train", "valid" or "test" for a file name by the rule of the archive: a speaker is in one set only.

    The name of the speaker comes before ``_nohash_``; a tenth of its hashes goes to validation, a tenth to the test.

    >>> [which_set(name) for name in ("026290a7_nohash_0.wav", "0c40e715_nohash_0.wav", "004ae714_nohash_1.wav")]
    ['valid', 'test', 'train']
    """
    digest = hashlib.sha1(re.sub("_nohash_.*$", "", file).encode()).hexdigest()
    percentage = int(digest, 16) % 2**27 * (100 / (2**27 - 1))
    return "valid" if percentage < 10 else "test" if percentage < 20 else "train"


def _decode(name: str, path: Path, classes: list[str], sets: dict[str, Files], speech: Speech) -> Dataset:
    # A fixed random order, so that the first N training examples are a sample of all classes.
    order = np.random.RandomState(0).permutation(len(sets["train"]))
    examples = [[sets["train"][i] for i in order], sets["valid"], sets["test"]]
    files, labels = zip(*(example for part in examples for example in part), strict=True)
    sizes = (len(examples[0]), len(examples[1]), len(examples[2]))
    mark = "SYNTHETIC" if (path / SYNTHETIC).is_file() else "REAL"
    waveform, notes = read_recordings(files, RATE, name.partition(":")[0])
    return speech_dataset(name, mark, classes, waveform, np.array(labels), sizes, speech, notes)
