"""Invented words, sums of gliding tones, generated on the spot: a quick check that everything works."""

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.speech.recordings import Speech, speech_dataset

RATE = 16000
WORDS = 30
SIZES = (480, 60, 60)
FORMANTS = ((250, 900), (900, 2300), (2300, 3500))
"""Hz; a word has one tone in each band, which glides within the band."""


def load_chirps(speech: Speech) -> Dataset:
    """Make 600 recordings of 30 words by 600 speakers: 480 for training, 60 for validation, 60 for the test.

    Speakers differ in pitch, speed and background noise. The bits are the same wherever NumPy runs.

    >>> data = load_chirps(Speech())
    >>> data.train_image.shape, data.mark, len(data.classes)
    ((480, 160, 101, 1), 'SYNTHETIC', 30)
    """
    generator = np.random.RandomState(0)
    words = np.stack([generator.uniform(*band, size=(WORDS, 2)) for band in FORMANTS], axis=1)  # (word, tone, ends)
    label = np.arange(sum(SIZES)) % WORDS
    waveform = np.stack([_speak(generator, words[word]) for word in label])
    classes = [f"word{word:02d}" for word in range(WORDS)]
    return speech_dataset("chirps", "SYNTHETIC", classes, waveform, label, SIZES, speech)


def _speak(generator: np.random.RandomState, tones: np.ndarray) -> np.ndarray:
    """Return a word spoken by one speaker, int16 (RATE,)."""
    pitch, seconds = generator.uniform(0.85, 1.18), generator.uniform(0.4, 0.8)
    start = generator.uniform(0, 1 - seconds)
    time = np.linspace(0, 1, int(seconds * RATE))
    phase = 2 * np.pi * pitch * seconds * (tones[:, :1] * time + (tones[:, 1:] - tones[:, :1]) * time**2 / 2)
    word = np.sin(np.pi * time) * np.sin(phase).mean(axis=0)
    sound = generator.normal(0, 0.01, RATE)
    first = int(start * RATE)
    sound[first : first + len(word)] += 0.5 * word
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
