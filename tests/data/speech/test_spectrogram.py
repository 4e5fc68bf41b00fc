"""Laws of the spectrogram: the textbook's, normalised, and of nothing but its own second."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import get_window

from mixup_jax.data.speech.spectrogram import log_spectrogram

FRAMES = 101  # windows of 20 ms, one every 10 ms, with centres from 0 to 1 s
ROWS = jax.jit(lambda waveform: log_spectrogram(waveform, nyquist=True))


def noise(rate, count=3):
    return np.random.default_rng(0).normal(0, 0.1, (count, rate)).astype(np.float32)


def reference(waveform, rate):
    """Frames cut out by hand, in float64: Hamming window, reflected ends, magnitude, log1p, z-score."""
    size = rate // 50
    padded = np.pad(waveform.astype(np.float64), ((0, 0), (size // 2, size // 2)), mode="reflect")
    frames = np.stack([padded[:, i * size // 2 : i * size // 2 + size] for i in range(FRAMES)], axis=1)
    image = np.log1p(np.abs(np.fft.rfft(frames * get_window("hamming", size)))).swapaxes(1, 2)
    return (image - image.mean((1, 2), keepdims=True)) / image.std((1, 2), keepdims=True)


def test_it_is_the_textbooks():
    waveform = noise(16000)
    image = np.asarray(ROWS(waveform))
    assert image.shape == (3, 161, FRAMES)
    np.testing.assert_allclose(image, reference(waveform, 16000), atol=1e-5)


def test_each_is_normalised_alone_and_silence_is_zero():
    waveform = noise(16000)
    waveform[2] = 0
    image = np.asarray(jax.jit(log_spectrogram)(waveform))
    np.testing.assert_allclose(image[:2].mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(image[:2].std((1, 2)), 1, atol=1e-5)
    assert not image[2].any()
    np.testing.assert_allclose(jax.jit(log_spectrogram)(waveform[1:2])[0], image[1], atol=1e-6)


@pytest.mark.thorough
def test_the_nyquist_row_is_the_last_one():
    waveform = noise(16000)
    both = [np.asarray(log_spectrogram(jnp.asarray(waveform), nyquist=keep)) for keep in (False, True)]
    ours, all_rows = both[0], both[1][:, :-1]
    rescaled = (all_rows - all_rows.mean((1, 2), keepdims=True)) / all_rows.std((1, 2), keepdims=True)
    np.testing.assert_allclose(ours, rescaled, atol=1e-5)


@pytest.mark.thorough
def test_a_lower_rate_has_the_lower_rows():
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 1500 * time).astype(np.float32)
    high, low = log_spectrogram(jnp.asarray(tone)), log_spectrogram(jnp.asarray(tone[::2]))
    assert low.shape == (80, FRAMES)
    assert int(high.sum(axis=1).argmax()) == int(low.sum(axis=1).argmax()) == 30


@pytest.mark.parametrize("samples", [150, 16001])
def test_what_is_no_second_is_refused(samples):
    with pytest.raises(ValueError, match=f"waveform has {samples} samples; it needs one second"):
        log_spectrogram(jnp.zeros(samples))
