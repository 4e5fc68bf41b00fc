"""Batch normalisation (arXiv 1502.03167) with PyTorch's conventions."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn import initializers
from jaxtyping import Array, Float


def moments(
    x: Float[Array, "*batch channels"], shift: Float[Array, " channels"], axis_name: str | None = None
) -> tuple[Float[Array, " channels"], Float[Array, " channels"]]:
    """Return the mean and the biased variance of each channel, in float32, from one pass over `x`.

    ``E[x^2] - E[x]^2`` needs one pass but loses digits in proportion to ``mean^2 / var``; ``E[(x - E[x])^2]`` needs
    two. The variance does not change under a shift, so a constant close to the mean is subtracted first:
    with ``d = x - shift``, ``mean = shift + E[d]`` and ``var = E[d^2] - E[d]^2`` loses only in proportion to
    ``(mean - shift)^2 / var``. Any shift gives the same values and the same gradients; BatchNorm's running mean is a
    good one, and needs no communication. With `axis_name` the moments are over all devices of that axis, where `shift`
    must be equal; one collective carries both.

    >>> x = 1e4 + jnp.arange(4.0)[:, None]
    >>> mean, var = moments(x, jnp.array([9999.0]))
    >>> float(mean[0]), float(var[0])
    (10001.5, 1.25)
    """
    shift = jax.lax.stop_gradient(shift)
    deviation = x.astype(jnp.float32) - jnp.expand_dims(shift, range(x.ndim - 1))
    axes = tuple(range(x.ndim - 1))
    first, second = deviation.mean(axes), jnp.square(deviation).mean(axes)
    if axis_name is not None:
        first, second = jax.lax.pmean((first, second), axis_name)
    return shift + first, jnp.maximum(second - jnp.square(first), 0.0)


@dataclass(frozen=True)
class Over:
    """Over which examples statistics are taken; left out, over the whole batch that the program sees."""

    axis_name: str | None = None
    """Mapped axis (pmap, shard_map, vmap) over which they are averaged."""
    block: int | None = None
    """Each run of so many consecutive examples has its own: Goyal et al.'s 32 images of a worker (arXiv 1706.02677)."""


class BatchNorm(nn.Module):
    """Normalise each channel (the last axis) as `torch.nn.BatchNorm2d` does.

    ``train=True`` normalises with the batch's mean and biased variance, and moves the running statistics (collection
    "batch_stats": ``mean``, ``var``, float32) by ``1 - momentum`` towards the batch's mean and *unbiased* variance;
    ``train=False`` normalises with the running statistics. Statistics and the normalisation itself are computed in
    float32 whatever `dtype` is; the result has `dtype`, or that of the input.

    The batch is the whole batch that the program sees: all of it under a global-view `jit`, also when it is sharded;
    one seed's under `vmap`; one device's under `pmap` or `shard_map`, unless `over` says what to average over.

    With ``over.block`` ("ghost batch normalisation", arXiv 1705.08741) each run of the batch is normalised by itself,
    by a reshape that stays on a device which holds whole runs, and the running statistics move towards the mean over
    all runs. Nothing in the forward or backward pass waits for that mean.

    Raises ValueError when training on a single value per channel, whose variance does not exist, and on a batch (under
    `pmap` or `shard_map` a device's share of it) that is no whole number of runs.

    >>> norm = BatchNorm()
    >>> x = jnp.array([[1.0], [3.0]])
    >>> variables = norm.init(jax.random.key(0), x, train=False)
    >>> y, updated = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    >>> y.round(3).tolist(), updated["batch_stats"]["var"].round(3).tolist()    # 0.9 * 1 + 0.1 * 2
    ([[-1.0], [1.0]], [1.1...])
    """

    momentum: float = 0.9
    """Weight of the old running statistics; torch calls 1 - momentum "momentum"."""
    epsilon: float = 1e-5
    """Added to the variance."""
    dtype: Any = None
    """Of the result; None is the input's."""
    over: Over = Over()
    """Over which examples statistics are taken."""
    scale_init: initializers.Initializer = initializers.ones
    """Zeros on the last one of a residual block makes the block the identity at the start."""
    bias_init: initializers.Initializer = initializers.zeros

    @nn.compact
    def __call__(self, x: Float[Array, "*batch channels"], train: bool) -> Float[Array, "*batch channels"]:
        """Normalise `x`; with `train`, "batch_stats" must be mutable."""
        channels = x.shape[-1]
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        bias = self.param("bias", self.bias_init, (channels,), jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)

        # Parameters are initialised outside of the mapped function, where the axis does not exist.
        over = self.over if train and not self.is_initializing() else Over()
        if over.block is not None and len(x) % over.block:
            raise ValueError(f"norm_block must divide the {len(x)} examples that BatchNorm sees, got {over.block}.")
        # The reshape stays on a device that holds whole runs.
        runs = x if over.block is None else x.reshape(-1, over.block, *x.shape[1:])
        if not train:
            mean, var = running_mean.value, running_var.value
        else:
            axis_name = over.axis_name if over.block is None else None
            take = partial(moments, shift=running_mean.value, axis_name=axis_name)
            mean, var = take(runs) if over.block is None else jax.vmap(take)(runs)
            if not self.is_initializing():
                count = runs.size // mean.size * (jax.lax.axis_size(axis_name) if axis_name is not None else 1)
                if count < 2:
                    raise ValueError("BatchNorm got one value per channel to train on; it needs 2 or more.")
                # Paper: a worker (of PyTorch's DDP; Goyal et al. do not say) keeps running statistics of its own runs,
                # and those of worker 0 are kept. The mean over all has the same expectation, and less noise.
                new_mean, new_var = (each.reshape(-1, channels).mean(0) for each in (mean, var * (count / (count - 1))))
                if over.block is not None and over.axis_name is not None:
                    new_mean, new_var = jax.lax.pmean((new_mean, new_var), over.axis_name)
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * new_mean
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * new_var

        mean, bias, weight = (
            jnp.expand_dims(each, range(each.ndim - 1, runs.ndim - 1))
            for each in (mean, bias, (scale if mean.ndim == 1 else scale[None]) * jax.lax.rsqrt(var + self.epsilon))
        )
        # (x - mean) * weight rather than x * weight + (bias - mean * weight): the same work, no cancellation.
        y = (runs.astype(jnp.float32) - mean) * weight + bias
        return y.reshape(x.shape).astype(x.dtype if self.dtype is None else self.dtype)
