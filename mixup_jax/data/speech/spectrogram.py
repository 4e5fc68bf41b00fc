"""Log-magnitude spectrograms of speech, the input of the networks in section 3.3 of the paper."""

import jax.numpy as jnp
from jax.scipy.signal import stft
from jaxtyping import Array, Float


def log_spectrogram(
    waveform: Float[Array, "*batch samples"], *, nyquist: bool = False
) -> Float[Array, "*batch rows 101"]:
    """Return the normalised log-magnitude spectrograms of waveforms of one second, in [-1, 1]: frequency by time.

    This is ``log(1 + |STFT|)`` with a Hamming window of 20 ms, a hop of 10 ms and the signal reflected at both ends,
    normalised to mean 0 and standard deviation 1 (constant spectrograms to 0). The sampling rate is the number of
    samples and must be a multiple of 100 Hz. Rows are 50 Hz apart from 0 Hz: 160 rows at 16 kHz.

    Pure, and differentiable except where a magnitude is 0. Pad shorter speech with zeros first.
    Raises ValueError for a number of samples that is no such rate.

    >>> tone = jnp.sin(2 * jnp.pi * 1000 * jnp.arange(16000) / 16000)
    >>> image = log_spectrogram(tone)
    >>> image.shape, int(image.sum(axis=1).argmax()), log_spectrogram(tone, nyquist=True).shape
    ((160, 101), 20, (161, 101))
    """
    samples = waveform.shape[-1]
    if samples < 200 or samples % 100:
        raise ValueError(f"waveform has {samples} samples; it needs one second at a multiple of 100 Hz, 200 or more.")
    window = samples // 50
    # scipy divides by the sum of the window, 0.54 of its length; its even extension is a reflection.
    _, _, spectrum = stft(
        waveform, window="hamming", nperseg=window, noverlap=window // 2, boundary="even", padded=False
    )
    magnitude = jnp.log1p(jnp.abs(spectrum) * jnp.float32(0.54 * window))
    # Paper: 160 rows, one less than such a window gives; the row at half the sampling rate is left out.
    image = magnitude if nyquist else magnitude[..., :-1, :]
    centred = image - image.mean(axis=(-2, -1), keepdims=True)
    deviation = jnp.sqrt(jnp.square(centred).mean(axis=(-2, -1), keepdims=True))
    return centred / jnp.where(deviation == 0, 1.0, deviation)
