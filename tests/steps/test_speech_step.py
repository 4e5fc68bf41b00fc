"""Laws of training on speech: as spectrograms or as waveforms ERM sees the same; mixed, they are not the same."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny_runs import MLP, changed, on_host

from mixup_jax.choices import Adam, Constant
from mixup_jax.config import Config
from mixup_jax.data.speech.recordings import Speech, speech_dataset
from mixup_jax.training.loop import Run

RATE, SIZES = 800, (16, 0, 8)
STEPS = 3


def data(waveform):
    generator = np.random.default_rng(0)
    label = np.arange(sum(SIZES)) % 3
    tones = np.sin(2 * np.pi * (50 + 100 * label[:, None]) * np.arange(RATE) / RATE)
    sound = np.round(9000 * tones + generator.normal(0, 2000, tones.shape)).astype(np.int16)
    return speech_dataset("tones", "SYNTHETIC", "abc", sound, label, SIZES, Speech(waveform))


@pytest.fixture(scope="module")
def trained():
    """Parameters and test error after a few steps of Adam, by what is mixed and how strongly."""
    adam = Adam(lr=0.01, weight_decay=0.0)
    config: Config = changed(
        replace(MLP, optimizer=adam, schedule=Constant()), pad_crop=0, flip=False, batch_size=16, alphas=(0.0, 1.0)
    )
    found = {}
    for mix in ("spectrogram", "waveform"):
        config_of_mix, devices = changed(config, dataset="chirps", mix=mix), jax.devices()[:1]
        run = Run(config_of_mix, data(mix == "waveform"), Path("unused"), devices=devices)
        carry = run.programs.train(*run.start(), run.alpha, run.train, np.int32(STEPS))
        errors = on_host(run.programs.evaluate(carry[0], run.test))["['errors']"]
        params = [leaf for _, leaf in sorted(on_host(carry[0].params).items())]
        for lane, alpha in enumerate((0, 1)):
            found[mix, alpha] = [leaf[lane] for leaf in params], errors[lane]
    return found


def distance(one, other):
    return max(float(abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.thorough
def test_erm_on_waveforms_is_erm_on_spectrograms_but_for_their_rounding(trained):
    assert distance(trained["spectrogram", 0][0], trained["waveform", 0][0]) < 2e-3
    assert trained["spectrogram", 0][1] == trained["waveform", 0][1]


@pytest.mark.thorough
def test_mixed_waveforms_are_no_mixed_spectrograms(trained):
    assert distance(trained["spectrogram", 1][0], trained["waveform", 1][0]) > 5e-3
    assert distance(trained["spectrogram", 0][0], trained["spectrogram", 1][0]) > 5e-3
