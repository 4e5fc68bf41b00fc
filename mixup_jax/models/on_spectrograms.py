"""A network for spectrograms that is given waveforms: what is mixed before it, is mixed as a waveform."""

import flax.linen as nn
from jaxtyping import Array, Float

from mixup_jax.data.speech.spectrogram import log_spectrogram


class OnSpectrograms(nn.Module):
    """Compute the spectrograms of waveforms of one second, (batch, samples, 1, 1) in [-1, 1], and classify these.

    Parameters, their names and what they are drawn from are the network's own: a seed starts alike with either input.

    >>> import jax, jax.numpy as jnp
    >>> from mixup_jax.models.mlp import MLP
    >>> model = OnSpectrograms(MLP(classes=3, width=8))
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 8000, 1, 1)), train=False)
    >>> variables["params"]["hidden1"]["kernel"].shape    # 80 x 101
    (8080, 8)
    """

    network: nn.Module
    nyquist: bool = False
    """Give it the last row too."""

    def setup(self) -> None:
        """Put the network's layers directly below, as if it stood alone."""
        nn.share_scope(self, self.network)

    def __call__(self, x: Float[Array, "batch samples 1 1"], train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of waveforms."""
        return self.network(log_spectrogram(x[:, :, 0, 0], nyquist=self.nyquist)[..., None], train)
