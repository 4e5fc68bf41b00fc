"""From recordings of one second to a data set: spectrograms computed once, or the waveforms themselves."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.progress import progress
from mixup_jax.spectrogram import log_spectrogram

log = logging.getLogger(__name__)

CHUNK = 200  # recordings at once
RATES = range(4000, 192_001)
"""Of recordings, in Hz."""


@dataclass(frozen=True)
class Speech:
    """What a network is given of speech."""

    waveform: bool = False
    """The waveforms themselves, int16 (n, samples, 1, 1), not float16 spectrograms (n, rows, 101, 1)."""
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
) -> Dataset:
    """Make a data set of waveforms, int16 (n, samples) of one second: first the training, then validation, then test.

    `sizes` are those of the three; a validation set of 0 is none.
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
    )


def spectrograms(waveform: np.ndarray, nyquist: bool, name: str) -> np.ndarray:
    """Compute the spectrograms of waveforms, int16 (n, samples): float16 (n, rows, 101, 1), with a progress bar.

    On a CPU, whatever else there is: they are the same for every run of a machine.

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
    """Return a CPU device; None, which is any device, where JAX was told to do without (JAX_PLATFORMS)."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def one_second(samples: np.ndarray, rate: int) -> np.ndarray:
    """Cut or pad with zeros to `rate` samples.

    >>> one_second(np.array([1, 2], np.int16), 4).tolist(), one_second(np.arange(5), 4).tolist()
    ([1, 2, 0, 0], [0, 1, 2, 3])
    """
    # Paper: spectrograms are padded. Padding the waveform gives the same but for the last two windows of the speech.
    return np.pad(samples[:rate], (0, max(0, rate - len(samples))))


def read_recordings(files: Sequence[Path], rate: int, name: str) -> np.ndarray:
    """Read WAV files as int16 (n, `rate`), one second each, with a progress bar.

    Files of another rate are resampled, several channels averaged and other sample formats brought to 16 bits, with one
    warning for all of them; a warning also tells how many are longer.

    Raises ValueError, which names the file, for one that cannot be read, is empty or holds what is not finite.
    """
    waveform = np.empty((len(files), rate), np.int16)
    odd, long = [], 0
    for i, file in enumerate(progress(files, f"reading {name}")):
        samples, form, longer = read_recording(file, rate)
        long += longer
        waveform[i] = one_second(samples, rate)
        if form:
            odd.append(f"{file.parent.name}/{file.name}: {form}")
    if odd:
        log.warning(
            "%s: %d of %d recordings are not mono, 16-bit, %d Hz, and were converted (the first: %s)",
            *(name, len(odd), len(files), rate, odd[0]),
        )
    if long:
        log.warning("%s: of %d of %d recordings only the first second is used", name, long, len(files))
    return waveform


def read_recording(file: Path, rate: int) -> tuple[np.ndarray, str, bool]:
    """Read the first second of a WAV file as int16 (samples,) at `rate`.

    Returns also its own form in words if it had to be converted, and whether there is more of it.
    """
    import soundfile  # here, for only speech needs it

    try:
        with soundfile.SoundFile(file) as recording:
            plain = (recording.samplerate, recording.channels, recording.subtype) == (rate, 1, "PCM_16")
            form = f"{recording.samplerate} Hz, {recording.channels} channels, {recording.subtype}"
            if recording.samplerate not in RATES:
                raise OSError(f"{recording.samplerate} Hz; rates are {RATES.start} to {RATES.stop} Hz")
            # A little more than is kept: resampling looks past the end.
            frames, dtype = int(1.1 * recording.samplerate), "int16" if plain else "float64"
            samples = recording.read(frames, dtype=dtype, always_2d=True)
            longer = recording.frames > recording.samplerate
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file} cannot be read as a recording ({reason}); replace or remove it") from error
    if len(samples) == 0 or not np.isfinite(samples).all():
        what = "no samples" if len(samples) == 0 else "samples that are not finite"
        raise ValueError(f"{file} holds {what}; replace or remove it")
    samples, form = (samples[:, 0], "") if plain else (convert(samples.mean(axis=1), recording.samplerate, rate), form)
    return samples, form, longer


def convert(samples: np.ndarray, from_rate: int, rate: int) -> np.ndarray:
    """Resample floating-point samples in [-1, 1] to `rate`, as int16.

    >>> convert(np.full(8, 0.5), 8000, 8000).tolist() == [16384] * 8
    True
    """
    from scipy.signal import resample_poly

    if from_rate != rate:
        divisor = int(np.gcd(from_rate, rate))
        samples = resample_poly(samples, rate // divisor, from_rate // divisor)
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
