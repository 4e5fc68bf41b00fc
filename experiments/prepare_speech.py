"""Speak the 30 words of Google commands with a synthesiser, in the layout of the archive: offline data for figure 4.

A speaker is a voice variant of espeak-ng; accent, pitch and speed are drawn for each word. File names hold the speaker,
so that the rule of the archive keeps a speaker in one set: the voices of validation and test are not trained on.
SYNTHETIC: this shows that the experiment works, and says little about human speech.

    python -m experiments.prepare_speech words                       # 3,000 recordings, a minute or two
    python -m experiments.speech small --dataset speech:words
"""

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro

from experiments.commands.errors import call, one_line_errors
from mixup_jax.data.speech.commands import LISTS, RATE, SYNTHETIC, WORDS, which_set
from mixup_jax.data.speech.recordings import convert
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.progress import progress

ENGINE = "espeak-ng"
ENGINE_RATE = 22050
VARIANT = re.compile(r"!v/(.+?)\s*(?:\(|$)", re.MULTILINE)
HEADER = 44  # bytes; its length is wrong on a pipe
ACCENTS = ("en-us", "en-gb", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp")


class Utterance(NamedTuple):
    """A word spoken once by a speaker."""

    word: str
    file: str
    voice: str
    pitch: int
    speed: int


def main(
    path: Annotated[Path, tyro.conf.Positional],
    voices: int = 100,
    utterances: int = 1,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write recordings (16 kHz, mono, 16 bits), the lists of validation and test files, and synthetic.json.

    Args:
        path: Folder to write to; it must not exist.
        voices: Speakers, at most as many as espeak-ng has variants of voices.
        utterances: How often a speaker says a word.
        smoke: Thirty speakers and four words, as a check.
    """
    import soundfile  # here: only speech needs it

    known = variants()
    if not 1 <= voices <= len(known) or not 1 <= utterances <= 1000:
        raise ValueError(
            f"voices must be between 1 and {len(known)}, utterances between 1 and 1000; got {voices}, {utterances}."
        )
    if path.exists():
        raise ValueError(f"{path} exists; choose another folder.")
    plans = list(plan(known[:30] if smoke else known[:voices], WORDS[:4] if smoke else WORDS, utterances))
    sets: dict[str, list[str]] = {part: [] for part in LISTS}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=path.name, dir=path.parent) as temporary:
        folder = Path(temporary) / path.name  # gets its name when it is complete
        for each in progress(plans, f"speaking into {path}"):
            file = folder / each.word / each.file
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, speak(each), RATE, subtype="PCM_16")
            if (part := which_set(each.file)) in sets:
                sets[part].append(f"{each.word}/{each.file}")
        for part, name in LISTS.items():
            (folder / name).write_text("".join(f"{line}\n" for line in sorted(sets[part])), encoding="utf-8")
        version = engine("--version").decode().split("  Data")[0].strip()
        write_json(folder / SYNTHETIC, {"engine": version, "voices": len({each.file[:8] for each in plans})})
        folder.rename(path)
    print(f"{path}: {len(plans)} recordings, {len(sets['valid'])} of them for validation, {len(sets['test'])} to test")


def plan(voices: Sequence[str], words: Sequence[str], utterances: int) -> Iterator[Utterance]:
    """Yield the utterances; accent, pitch and speed are drawn for each word.

    >>> [each.file for each in plan(["f1"], ["bed"], 2)]
    ['3f524cdc_nohash_0.wav', '3f524cdc_nohash_1.wav']
    """
    generator = np.random.RandomState(0)
    for voice in voices:
        speaker = hashlib.sha256(voice.encode()).hexdigest()[:8]
        for word in words:
            for count in range(utterances):
                accent = ACCENTS[generator.randint(len(ACCENTS))]
                pitch, speed = int(generator.randint(25, 76)), int(generator.randint(150, 221))
                yield Utterance(word, f"{speaker}_nohash_{count}.wav", f"{accent}+{voice}", pitch, speed)


def speak(utterance: Utterance) -> np.ndarray:
    """Return a recording, int16 (samples,) at 16 kHz."""
    options = ["-v", utterance.voice, "-p", str(utterance.pitch), "-s", str(utterance.speed)]
    sound = engine(*options, "--stdout", utterance.word)
    if len(sound) <= HEADER:
        raise ValueError(f"{ENGINE} {' '.join(options)} says nothing for {utterance.word!r}.")
    samples = np.frombuffer(sound[HEADER:], "<i2").astype(np.float64) / 32768
    return convert(samples, ENGINE_RATE, RATE)[0]


def variants() -> list[str]:
    """Return the names of espeak-ng's voice variants, sorted by name; some have spaces."""
    return sorted(set(VARIANT.findall(engine("--voices=variant").decode())))


def engine(*arguments: str) -> bytes:
    """Call espeak-ng; raises ValueError if it is not installed or fails."""
    try:
        return subprocess.run([ENGINE, *arguments], capture_output=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise ValueError(f"{ENGINE} not found; install it (Debian: apt-get install {ENGINE}).") from None
    except (subprocess.SubprocessError, OSError) as error:
        raise ValueError(f"{ENGINE} {' '.join(arguments)} failed: {error}") from None


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.prepare_speech")
