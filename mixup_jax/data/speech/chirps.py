"""Words of a language that nobody speaks: sums of gliding tones, made on the spot, to see whether everything works."""

import numpy as np

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.speech.recordings import Speech, speech_dataset

RATE = 16000
WORDS = 30
SIZES = (480, 60, 60)
FORMANTS = ((250, 900), (900, 2300), (2300, 3500))
"""Hz; a word has one tone in each band, which glides from one place of it to another."""


def load_chirps(speech: Speech) -> Dataset:
    """Make 600 recordings of 30 words: 480 to train on, 60 for validation, 60 for the test, all by different speakers.

    A speaker has a pitch of voice, a speed, and noise behind him. The same bits everywhere NumPy is.

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
    """Return a word as one speaker says it, int16 (RATE,)."""
    pitch, seconds = generator.uniform(0.85, 1.18), generator.uniform(0.4, 0.8)
    start = generator.uniform(0, 1 - seconds)
    time = np.linspace(0, 1, int(seconds * RATE))
    phase = 2 * np.pi * pitch * seconds * (tones[:, :1] * time + (tones[:, 1:] - tones[:, :1]) * time**2 / 2)
    word = np.sin(np.pi * time) * np.sin(phase).mean(axis=0)
    sound = generator.normal(0, 0.01, RATE)
    first = int(start * RATE)
    sound[first : first + len(word)] += 0.5 * word
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
