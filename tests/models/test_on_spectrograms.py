"""Laws of a network on waveforms: what is not mixed is seen as the spectrogram would be; what is, is not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.data.speech.spectrogram import log_spectrogram
from mixup_jax.mixing import Mix, mix
from mixup_jax.models import MLP, OnSpectrograms


@pytest.mark.thorough
@pytest.mark.parametrize("nyquist", [False, True])
def test_it_is_the_network_on_spectrograms(rng, nyquist):
    waveform = 0.1 * jax.random.normal(rng, (4, 8000))
    model = OnSpectrograms(MLP(classes=3, width=4), nyquist)
    variables = jax.jit(partial(model.init, train=False))(rng, waveform[..., None, None])
    ours = model.apply(variables, waveform[..., None, None], train=False)
    image = log_spectrogram(waveform, nyquist=nyquist)[..., None]
    alone = MLP(classes=3, width=4).init(rng, image, train=False)
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, alone))
    theirs = MLP(classes=3, width=4).apply(variables, image, train=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_mixing_waveforms_is_not_mixing_spectrograms():
    time = jnp.arange(8000) / 8000
    tones = jnp.sin(2 * jnp.pi * jnp.array([[500.0], [1500.0]]) * time[None])
    plan = Mix(lam=jnp.full(2, 0.5), partner=jnp.array([1, 0]))
    image = log_spectrogram(tones)
    early, late = log_spectrogram(mix(plan, tones)), mix(plan, image)
    assert float(abs(early - late).mean()) > 0.01
    np.testing.assert_allclose(early[0], early[1], atol=1e-3)  # the mean of both, either way
