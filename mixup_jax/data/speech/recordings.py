"""Make a data set from recordings of one second: of spectrograms, computed once, or of waveforms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.speech.spectrogram import log_spectrogram
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.progress import progress

CHUNK = 200  # recordings at once
RATES = range(4000, 192_001)
"""Rates of recordings that are accepted, in Hz."""


@dataclass(frozen=True)
class Speech:
    """The form in which a network gets speech."""

    waveform: bool = False
    """Waveforms, int16 (n, samples, 1, 1), in place of float16 spectrograms (n, rows, 101, 1)."""
    nyquist: bool = False
    """Keep the last row of spectrograms."""

    @property
    def variant(self) -> str:
        """Return a name for the cache."""
        return "waveform" if self.waveform else "nyquist" if self.nyquist else ""


def speech_dataset(
    name: str,
    mark: str,
    classes: Sequence[str],
    waveform: np.ndarray,
    label: np.ndarray,
    sizes: tuple[int, int, int],
    speech: Speech,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Make a data set of waveforms of one second, int16 (n, samples): training, then validation, then test set.

    `sizes` holds the three sizes; a validation set of size 0 is left out.
    """
    image = waveform[:, :, None, None] if speech.waveform else spectrograms(waveform, speech.nyquist, name)
    train, valid, test = (slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes), strict=True))
    label = label.astype(np.int32)
    return Dataset(
        name,
        mark,
        tuple(classes),
        image[train],
        label[train],
        image[test],
        label[test],
        mean=(0.0,),
        std=(1.0,),
        valid_image=image[valid] if sizes[1] else None,
        valid_label=label[valid] if sizes[1] else None,
        notes=notes,
    )


def spectrograms(waveform: np.ndarray, nyquist: bool, name: str) -> np.ndarray:
    """Compute the spectrograms of waveforms, int16 (n, samples): float16 (n, rows, 101, 1), with a progress bar.

    They are computed on a CPU, so that they are the same for every run on a machine.

    >>> spectrograms(np.zeros((2, 8000), np.int16), False, "silence").shape
    (2, 80, 101, 1)
    """
    compute = jax.jit(log_spectrogram, static_argnames="nyquist")
    parts = []
    with jax.default_device(_cpu()):
        for start in progress(range(0, len(waveform), CHUNK), f"spectrograms of {name}"):
            piece = waveform[start : start + CHUNK].astype(np.float32) / 32768
            parts.append(np.asarray(compute(piece, nyquist=nyquist)).astype(np.float16))
    return np.concatenate(parts)[..., None]


def _cpu() -> Any:
    """Return a CPU device, or None (any device) if JAX_PLATFORMS excludes it."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def one_second(samples: np.ndarray, rate: int) -> np.ndarray:
    """Cut, or pad with zeros, to `rate` samples.

    >>> one_second(np.array([1, 2], np.int16), 4).tolist(), one_second(np.arange(5), 4).tolist()
    ([1, 2, 0, 0], [0, 1, 2, 3])
    """
    # Paper: spectrograms are padded. Padding the waveform gives the same except for the last two windows of the speech.
    return np.pad(samples[:rate], (0, max(0, rate - len(samples))))


def read_recordings(files: Sequence[Path], rate: int, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a second of WAV files as int16 (n, `rate`), with a progress bar; return also notes on conversions.

    Files of another rate are resampled, several channels averaged, other sample formats converted to 16 bits, samples
    above full scale scaled down, shorter recordings padded and longer ones cut; the notes count these conversions.

    Raises ValueError, which names the file, for a file that cannot be read, is cut short, is empty or is not finite.
    """
    waveform, tally = np.empty((len(files), rate), np.int16), Tally()
    for i, file in enumerate(progress(files, f"reading {name}")):
        samples, done = read_recording(file, rate)
        for what, how in done.items():
            tally.add(what, f"{file.parent.name}/{file.name}" + (f", {how}" if how else ""))
        waveform[i] = one_second(samples, rate)
    return waveform, tally.notes(f"of {len(files):,} recordings")


def read_recording(file: Path, rate: int) -> tuple[np.ndarray, dict[str, str]]:
    """Read the first second of a WAV file as int16 (samples,) at `rate`.

    Returns also the conversions with details: {"longer, only the first second is used": ""}.
    """
    import soundfile  # here: only speech needs it

    done = {}
    try:
        _check_whole(file)
        with soundfile.SoundFile(file) as recording:
            plain = (recording.samplerate, recording.channels, recording.subtype) == (rate, 1, "PCM_16")
            if recording.samplerate not in RATES:
                raise OSError(f"{recording.samplerate} Hz; rates are {RATES.start} to {RATES.stop} Hz")
            # A little more than is kept: resampling looks past the end.
            frames, dtype = int(1.1 * recording.samplerate), "int16" if plain else "float64"
            samples = recording.read(frames, dtype=dtype, always_2d=True)
            if recording.frames > recording.samplerate:
                done["longer, only the first second is used"] = ""
            if recording.frames < recording.samplerate:
                done["shorter than a second, padded with zeros"] = ""
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{file} cannot be read as a recording ({reason_of(error)}); replace or remove it") from error
    if len(samples) == 0 or not np.isfinite(samples).all():
        what = "no samples" if len(samples) == 0 else "samples that are not finite"
        raise ValueError(f"{file} holds {what}; replace or remove it")
    if plain:
        samples = samples[:, 0]
    else:
        form = f"{recording.samplerate} Hz, {recording.channels} channels, {recording.subtype}"
        done[f"not mono, 16-bit, {rate} Hz, converted"] = form
        samples, peak = convert(samples.mean(axis=1), recording.samplerate, rate)
        if peak > 1:
            done["louder than full scale, made softer as a whole"] = f"peak {peak:.4g}"
    if not samples.any():
        done["silent"] = ""
    return samples, done


def _check_whole(file: Path) -> None:
    """Raise OSError for a WAV file that is shorter than its header says, such as an interrupted copy."""
    with file.open("rb") as opened:
        head = opened.read(12)
    declared, there = int.from_bytes(head[4:8], "little") + 8, file.stat().st_size
    streamed = declared > 0xFFFFFFFF  # its length was unknown when it was written
    # The last byte may be missing if it is padding.
    if head[:4] == b"RIFF" and head[8:] == b"WAVE" and declared > there + 1 and not streamed:
        raise OSError(f"it has {there} bytes of {declared}: it was cut short")


def convert(samples: np.ndarray, from_rate: int, rate: int) -> tuple[np.ndarray, float]:
    """Resample floating-point samples to `rate`, as int16; full scale is 1. Return also the peak of the result.

    A result above full scale is scaled down to a peak of 1: nothing is clipped.

    >>> samples, peak = convert(np.array([0.5, -2.0]), 8000, 8000)
    >>> samples.tolist(), peak
    ([8192, -32768], 2.0)
    """
    from scipy.signal import resample_poly

    if from_rate != rate:
        divisor = int(np.gcd(from_rate, rate))
        samples = resample_poly(samples, rate // divisor, from_rate // divisor)
    peak = float(np.abs(samples).max())
    # Full scale is -32768 to 32767: only +1 is clipped, by one unit.
    return np.clip(np.round(samples / max(peak, 1.0) * 32768), -32768, 32767).astype(np.int16), peak
