"""Pre-activation ResNet (arXiv 1603.05027), in the two forms behind the paper's CIFAR numbers.

Neither has the BatchNorm and ReLU after the last stage that arXiv 1603.05027 has: both released codes left them out.

* "H", hongyi-zhang/mixup, from which the author's re-run comes (CIFAR-10: ERM 5.53, mixup 4.24): the stem is a
  convolution, an identity shortcut carries the raw input of the block. 11,171,146 parameters for 10 classes.
* "F", mixup-cifar10: BatchNorm and ReLU follow the stem, an identity shortcut carries the *pre-activated* input.
  11,171,274 parameters for 10 classes.
"""

from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Initializer
from jaxtyping import Array, Float

from mixup_jax.models.layers.batch_norm import BatchNorm, Over
from mixup_jax.models.layers.convolution import conv_general_dilated
from mixup_jax.models.layers.torch_layers import Dropout, dense, kernel_init

Image = Float[Array, "batch height width channels"]
Hidden = Float[Array, "batch new_height new_width features"]


def conv(
    features: int, size: int, stride: int, dtype: Any, name: str, init: Initializer = kernel_init, groups: int = 1
) -> nn.Conv:
    """Return a square convolution without bias that pads as torch does.

    "SAME" would pad an even image by (0, 1) at stride 2, torch pads by (1, 1): the grids differ by one pixel.
    """
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=((size // 2, size // 2),) * 2,
        feature_group_count=groups,
        use_bias=False,
        dtype=dtype,
        kernel_init=init,
        conv_general_dilated=conv_general_dilated,
        name=name,
    )


class Stem(nn.Module):
    """Lift the image to `features` channels, at its own resolution or at half of it."""

    features: int
    stride: int = 1
    variant: Literal["H", "F"] = "H"
    dtype: Any = jnp.float32
    norm_over: Over = Over()

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Convolve; in variant F also normalise and rectify."""
        x = conv(self.features, 3, self.stride, self.dtype, "conv")(x)
        if self.variant == "F":
            x = nn.relu(BatchNorm(dtype=self.dtype, over=self.norm_over, name="bn")(x, train))
        return x


class Block(nn.Module):
    """Add ``conv(dropout(relu(bn(conv(o)))))`` to the shortcut, where ``o = relu(bn(x))``."""

    features: int
    stride: int = 1
    variant: Literal["H", "F"] = "H"
    dropout: float = 0.0
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    kernel_init: Initializer = kernel_init
    scale_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the block; with `train` and dropout, the "dropout" key must be given."""
        norm = partial(BatchNorm, dtype=self.dtype, over=self.norm_over, scale_init=self.scale_init)
        convolve = partial(conv, dtype=self.dtype, init=self.kernel_init)
        activated = nn.relu(norm(name="bn1")(x, train))
        if self.stride != 1 or x.shape[-1] != self.features:
            shortcut = convolve(self.features, 1, self.stride, name="shortcut")(activated)
        else:
            shortcut = activated if self.variant == "F" else x
        y = convolve(self.features, 3, self.stride, name="conv1")(activated)
        y = nn.relu(norm(name="bn2")(y, train))
        y = Dropout(self.dropout, name="dropout")(y, train)
        y = convolve(self.features, 3, 1, name="conv2")(y)
        return y + shortcut


class Stage(nn.Module):
    """Apply `blocks` blocks of one width; the first one strides."""

    features: int
    blocks: int
    stride: int = 1
    variant: Literal["H", "F"] = "H"
    dropout: float = 0.0
    dtype: Any = jnp.float32
    norm_over: Over = Over()
    kernel_init: Initializer = kernel_init
    scale_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Hidden:
        """Apply the blocks in turn."""
        for i in range(self.blocks):
            x = Block(
                self.features,
                self.stride if i == 0 else 1,
                self.variant,
                self.dropout,
                self.dtype,
                self.norm_over,
                self.kernel_init,
                self.scale_init,
                name=f"block{i + 1}",
            )(x, train)
        return x


class Head(nn.Module):
    """Average over what is left of the image, then classify; in float32, as the loss is."""

    classes: int

    @nn.compact
    def __call__(self, x: Image) -> Float[Array, "batch classes"]:
        """Return the logits."""
        x = x.astype(jnp.float32).mean(axis=(1, 2))
        return dense(x, self.classes, "dense")


class PreActResNet(nn.Module):
    """Classify images (NHWC, any size) with pre-activation residual blocks; the defaults are PreAct ResNet-18.

    The submodules "stem", "stage1", ..., "head" each take the hidden state as first argument: they are the cut points
    of the latent mixing ablation (paper, table 5), which `flax.linen.intercept_methods` reaches by name.
    Logits and parameters are float32 also when `dtype` is bfloat16.
    Training needs ``mutable=["batch_stats"]``, and ``rngs={"dropout": key}`` if `dropout` is not 0.

    >>> import jax
    >>> model = PreActResNet(classes=10, width=4, blocks=(1, 1))
    >>> images = jnp.zeros((2, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), images, train=False)
    >>> sorted(variables["params"])
    ['head', 'stage1', 'stage2', 'stem']
    >>> logits, updated = model.apply(variables, images, train=True, mutable=["batch_stats"])
    >>> logits.shape
    (2, 10)
    """

    classes: int
    width: int = 64
    """Channels of the first stage; they double from stage to stage."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of each stage; the first block of each but the first stage halves the image."""
    variant: Literal["H", "F"] = "H"
    dropout: float = 0.0
    """Probability of dropping a unit between the two convolutions of a block."""
    dtype: Any = jnp.float32
    """Of the convolutions' inputs and results."""
    norm_over: Over = Over()
    """See BatchNorm."""
    stem_stride: int = 1
    """2 halves the image before the first stage: a quarter of the work."""

    @nn.compact
    def __call__(self, x: Image, train: bool) -> Float[Array, "batch classes"]:
        """Return the logits of a batch of images."""
        x = Stem(self.width, self.stem_stride, self.variant, self.dtype, self.norm_over, name="stem")(x, train)
        for i, blocks in enumerate(self.blocks):
            x = Stage(
                self.width * 2**i,
                blocks,
                1 if i == 0 else 2,
                self.variant,
                self.dropout,
                self.dtype,
                self.norm_over,
                name=f"stage{i + 1}",
            )(x, train)
        return Head(self.classes, name="head")(x)
