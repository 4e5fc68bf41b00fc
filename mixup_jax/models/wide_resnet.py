"""Wide ResNet (Zagoruyko & Komodakis, arXiv 1605.07146), as in their PyTorch code: WRN-28-10 in the paper's figure 3.

Its block is that of the PreAct ResNet in variant H: an identity shortcut carries the raw input, one that changes the
width convolves the pre-activated input. What differs is the narrow stem, the BatchNorm and ReLU after the last stage,
and the start: normal kernels (He et al.), scales of BatchNorm uniform in [0, 1).
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Initializer
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.torch_layers import he_normal
from mixup_jax.models.preact_resnet import Image, Stage, conv

STEM = 16
"""Channels of the stem, whatever the width."""


class WideResNet(nn.Module):
    """Classify images (NHWC, any size); the defaults are WRN-28-10, 36,479,194 parameters for 10 classes.

    The submodules and what they need are those of `PreActResNet`.

    >>> import jax
    >>> model = WideResNet(classes=10, width=8, blocks=(1, 1, 1))
    >>> variables = jax.eval_shape(lambda rng: model.init(rng, jnp.zeros((1, 32, 32, 3)), False), jax.random.key(0))
    >>> sorted(variables["params"])
    ['bn', 'head', 'stage1', 'stage2', 'stage3', 'stem']
    """

    classes: int
    width: int = 160
    """Channels of the first stage, 16 times the widening factor; they double from stage to stage."""
    blocks: tuple[int, ...] = (4, 4, 4)
    """Blocks of each stage; depth = 6 * blocks + 4."""
    dropout: float = 0.0
    """Probability of dropping a unit between the two convolutions of a block."""
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        uniform: Initializer = nn.initializers.uniform(1.0)
        x = conv(STEM, 3, 1, self.dtype, "stem", he_normal)(x)
        for i, blocks in enumerate(self.blocks):
            x = Stage(
                self.width * 2**i,
                blocks,
                1 if i == 0 else 2,
                dropout=self.dropout,
                dtype=self.dtype,
                norm_over=self.norm_over,
                kernel_init=he_normal,
                scale_init=uniform,
                name=f"stage{i + 1}",
            )(x, train)
        norm = BatchNorm(dtype=self.dtype, over=self.norm_over, scale_init=uniform, name="bn")
        x = nn.relu(norm(x, train)).astype(jnp.float32).mean(axis=(1, 2))
        return nn.Dense(self.classes, kernel_init=he_normal, name="head")(x)
