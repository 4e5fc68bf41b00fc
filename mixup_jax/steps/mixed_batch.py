"""What a step learns from: a batch drawn from the vicinal distribution (paper, section 2) and from its variants.

An example is cropped, mirrored, augmented, normalised, and then mixed. Each has its own key, so what happens to it
depends neither on the batch size nor on the number of devices.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Float32, Int, Int32, Key, Num

from mixup_jax.augment.erasing import erase
from mixup_jax.methods import different_class, larger, optimal_partners, same_class
from mixup_jax.methods.latent import INPUT
from mixup_jax.methods.noisy_feature import add_noise, draw_sigmas
from mixup_jax.mixing import PARTNERS, Mix, take_partner
from mixup_jax.steps.state import Mixer, Recipe

Batch = dict[str, Array]
Plan = Mix | list[Mix]
"""A plan, or several that are carried out in a row."""
NOT_A_ROW = 2**32 - 1
"""Folded into a key from which each row of the batch draws by its number."""
OPERATIONS, ERASING = 2**32 - 1, 2**32 - 2
"""Folded into the key of the crops, whose own are those of the rows: no batch has so many."""


def epoch_order(rng: Key[Array, ""], epoch: int | Int[Array, ""], n: int) -> Int32[Array, "n"]:
    """Return the order in which epoch `epoch` (0, 1, ...; may be traced) visits `n` images.

    >>> epoch_order(jax.random.key(0), 0, 5).tolist() == epoch_order(jax.random.key(0), 1, 5).tolist()
    False
    """
    return jax.random.permutation(jax.random.fold_in(rng, epoch), jnp.arange(n, dtype=jnp.int32))


def mixed_batch(
    rng: Array, batch: Batch, alpha: ArrayLike, step: ArrayLike, recipe: Recipe
) -> tuple[Array, Array, Plan]:
    """Return float32 images (batch, ...), soft labels (batch, classes) before any smoothing, and the plan behind them.

    As in the released code, images are augmented and normalised first, then mixed; where the layer to mix at is a
    hidden one they are not mixed yet. Partners are in the batch, or beside it: `partner_image` and `partner_label`.
    With RegMixup each clean example comes before its mixture, (2 * batch, ...): no image leaves its device.
    """
    rng_augment, rng_mix, rng_partner, rng_noise = jax.random.split(rng, 4)
    mixer, size = recipe.mixer, batch["label"].shape[0]
    rows = jnp.arange(size)
    if recipe.axis_name is not None:
        rows += jax.lax.axis_index(recipe.axis_name) * size

    def augment(rng: Array, image: Array) -> Array:
        image = pad_crop_flip(rng, image, pad=recipe.pad_crop, flip=recipe.flip, positions=rows)
        return jax.lax.optimization_barrier(recipe.augment(jax.random.fold_in(rng, OPERATIONS), image, rows))

    def finish(rng: Array, image: Array, label: Array, rows: Array) -> tuple[Array, Array]:
        image = normalize(image, recipe.mean, recipe.std)
        image = erase(jax.random.fold_in(rng, ERASING), image, recipe.erase, rows)
        # Constants of the normalisation multiplied into lambda would round differently on another number of devices.
        return jax.lax.optimization_barrier((image, jax.nn.one_hot(label, recipe.classes)))

    pixels, beside = augment(rng_augment, batch["image"]), "partner_image" in batch
    image, label = own = finish(rng_augment, pixels, batch["label"], rows)
    plan: Plan = Mix(jnp.ones(size), jnp.arange(size))
    if mixer is not None:
        other = own
        if beside:
            rng_other = jax.random.fold_in(rng_augment, size)
            other = finish(rng_other, augment(rng_other, batch["partner_image"]), batch["partner_label"], rows)
        if recipe.axis_name is None:
            partner = choose_partners(rng_partner, batch, image, mixer)
            plan = mixer.draw(rng_mix, other[0], alpha, step, partner)
        else:
            plan = _share_of_plan(rng_mix, image, rows, alpha, step, recipe, mixer)
        carried = plan
        if isinstance(plan, Mix) and plan.block is None and recipe.layer == INPUT and not beside:
            # Where partners cross devices, a byte a pixel and a class id do, not what is made of them.
            taken = [take_partner(plan, each) for each in (pixels, batch["label"], rows)]
            other = finish(rng_augment, *jax.lax.optimization_barrier(taken))
            carried = replace(plan, partner=jnp.arange(size), block=1)  # beside their examples now
        image = mixer.carry_out(carried, image, other[0]) if recipe.layer == INPUT else image
        mixed_label: Any = larger if mixer.larger_label else mixer.carry_out
        label = mixed_label(carried, label, other[1])
        if mixer.noise is not None:
            image = _disturbed(jax.random.fold_in(rng_noise, NOT_A_ROW), image, rows, mixer.noise)
    if recipe.noise:
        image += _noise(rng_noise, image, rows, recipe.noise)
    if rows_together(mixer) == 2:
        clean = own[0]
        if recipe.noise:
            clean += _noise(jax.random.fold_in(rng_noise, NOT_A_ROW), clean, rows, recipe.noise)
        image, label = _side_by_side(clean, image), _side_by_side(own[1], label)
    return image, label, plan


def pad_crop_flip(
    rng: Key[Array, ""],
    image: Num[Array, "batch height width channels"],
    *,
    pad: int,
    flip: bool,
    positions: Int[Array, "batch"] | None = None,
) -> Num[Array, "batch height width channels"]:
    """Crop each image at random after padding it with `pad` zeros on each side, and mirror it with probability 1/2.

    `image` is uint8 or int16, or floating-point and finite; dtype and size are kept and values only move. `pad = 0` and
    `flip = False` switch the parts off. Example i uses the key ``fold_in(rng, positions[i])``; `positions` are the
    examples' places in the whole batch, by default 0, 1, ... Pass them where the function sees a part of the batch
    (`jax.pmap`, `jax.shard_map`); under a global-view `jit` it sees the whole.

    Raises ValueError for a negative `pad`, TypeError for images of another dtype.

    >>> image = jnp.arange(1, 10, dtype=jnp.uint8).reshape(1, 3, 3, 1)
    >>> pad_crop_flip(jax.random.key(2), image, pad=1, flip=True)[0, :, :, 0]
    Array([[5, 4, 0],
           [8, 7, 0],
           [0, 0, 0]], dtype=uint8)
    """
    if pad < 0:
        raise ValueError(f"pad is {pad}; it must be 0 or more pixels")
    if image.dtype not in (jnp.uint8, jnp.int16) and not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"image is {image.dtype}; pad_crop_flip needs uint8, int16 or a floating-point dtype")
    if pad == 0 and not flip:
        return image
    if positions is None:
        positions = jnp.arange(image.shape[0], dtype=jnp.int32)
    # Three words of bits an example: `split`, `randint` and `bernoulli` triple what XLA compiles. The remainder of 32
    # bits is uniform but for one part in 2**32 / (2 * pad + 1).
    bits = jax.vmap(lambda position: jax.random.bits(jax.random.fold_in(rng, position), (3,)))(positions)
    offset = (bits[:, :2] % (2 * pad + 1)).astype(jnp.int32) - pad
    mirror = (bits[:, 2] % 2 == 1) & flip
    # Paper: the released code pads raw pixels, before normalising, so the border becomes -mean/std, not 0.
    return _select_pixels(image, offset, mirror)


def _select_pixels(
    image: Num[Array, "batch height width channels"],
    offset: Int[Array, "batch 2"],
    mirror: Bool[Array, "batch"],
) -> Num[Array, "batch height width channels"]:
    """Shift each image by its offset, filling with zeros, and mirror it.

    Two matrix products with 0/1 matrices instead of a gather: exact, each row of a matrix holds at most one 1. Dynamic
    slices and gathers, once they are vmapped over examples and seeds inside a scan, run an order of magnitude slower
    on a CPU, and matrices are what a TPU is fast at. The batch axis is a batch axis of every operation, so under
    sharding no image leaves its device.
    """
    _, height, width, _ = image.shape
    row = offset[:, :1] + jnp.arange(height)[None]
    column = jnp.arange(width)[None]
    column = offset[:, 1:] + jnp.where(mirror[:, None], width - 1 - column, column)
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    pick_row = (row[:, :, None] == jnp.arange(height)[None, None]).astype(dtype)
    pick_column = (column[:, :, None] == jnp.arange(width)[None, None]).astype(dtype)
    # 8-bit integers survive any matrix precision (bfloat16 holds 0..256 exactly), float images need the full one.
    precision = jax.lax.Precision.DEFAULT if image.dtype == jnp.uint8 else jax.lax.Precision.HIGHEST
    moved = jnp.einsum("bhk,bkwc->bhwc", pick_row, image.astype(dtype), precision=precision)
    moved = jnp.einsum("bvw,bhwc->bhvc", pick_column, moved, precision=precision)
    return moved.astype(image.dtype)


def normalize(
    image: Num[Array, "*batch height width channels"],
    mean: Sequence[float] | Float[Array, "channels"],
    std: Sequence[float] | Float[Array, "channels"],
) -> Float32[Array, "*batch height width channels"]:
    """Return ``(image - mean) / std`` as float32; uint8 images are first brought to [0, 1], int16 waveforms to [-1, 1).

    `mean` and `std` hold one number a channel, for pixels in [0, 1]; floating-point images must be on their scale.

    Raises ValueError where their number is not the image's number of channels.

    >>> normalize(jnp.array([[[[0], [255]]]], jnp.uint8), (0.5,), (0.25,)).ravel().tolist()
    [-2.0, 2.0]
    """
    channels = image.shape[-1]
    if not len(mean) == len(std) == channels:
        raise ValueError(f"mean and std have {len(mean)} and {len(std)} numbers; image has {channels} channels")
    scale = 255.0 if image.dtype == jnp.uint8 else 32768.0 if image.dtype == jnp.int16 else 1.0
    shape = (1,) * (image.ndim - 1) + (channels,)
    centre, spread = (jnp.asarray(value, jnp.float32).reshape(shape) for value in (mean, std))
    return (image.astype(jnp.float32) / scale - centre) / spread


def choose_partners(rng: Array, batch: Batch, image: Array, mixer: Mixer) -> str | Array:
    """Return the policy where `draw` knows it by name, else the partners themselves; `image` is as it is mixed."""
    if "partner_image" in batch:
        return jnp.arange(batch["label"].shape[0])
    if mixer.partner == "optimal":
        return optimal_partners(rng, image, mixer.group)
    by_label = {"same_class": same_class, "different_class": different_class}
    return by_label[mixer.partner](rng, batch["label"]) if mixer.partner in by_label else mixer.partner


def _share_of_plan(
    rng: Array, image: Array, rows: Array, alpha: ArrayLike, step: ArrayLike, recipe: Recipe, mixer: Mixer
) -> Plan:
    """Draw the plan of the whole batch and return the part of this device, inside `jax.pmap` or `jax.shard_map`."""
    size = image.shape[0]
    if mixer.block is None or size % mixer.block:
        raise ValueError(f"block must divide each device's {size} examples under pmap, got {mixer.block}.")
    if mixer.partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)} under pmap, got {mixer.partner!r}.")
    if mixer.sees_images:
        raise ValueError("this method looks at all images of the batch: take jit and a mesh, not pmap.")
    whole = jax.ShapeDtypeStruct((size * jax.lax.axis_size(recipe.axis_name), *image.shape[1:]), image.dtype)
    plan = mixer.draw(rng, whole, alpha, step, mixer.partner)

    def share(plan: Mix) -> Mix:
        mask = None if plan.mask is None else plan.mask[rows]
        return replace(plan, lam=plan.lam[rows], partner=plan.partner[rows] - rows[0], mask=mask)

    return jax.tree.map(share, plan, is_leaf=lambda node: isinstance(node, Mix))


def _disturbed(rng: Array, image: Array, rows: Array, levels: tuple[float, float]) -> Array:
    """Return images under the noise of noisy feature mixup, as strong in all rows, each row's from a key of its own."""
    rng_sigma, rng = jax.random.split(rng)
    sigmas = draw_sigmas(rng_sigma, *levels)

    def one(row: Array, image: Array) -> Array:
        return add_noise(jax.random.fold_in(rng, row), image, *sigmas)

    return jax.vmap(one)(rows, image)


def _noise(rng: Array, image: Array, rows: Array, deviation: float) -> Array:
    """Draw normal noise of a deviation like the images, each row's from a key of its own."""
    keys = jax.vmap(lambda row: jax.random.fold_in(rng, row))(rows)
    return deviation * jax.vmap(lambda key: jax.random.normal(key, image.shape[1:]))(keys)


def mean_loss(losses: Array, mixer: Mixer | None) -> Array:
    """Return the mean of losses (batch,); with RegMixup that of clean examples plus eta times that of their mixtures.

    >>> float(mean_loss(jnp.array([1.0, 10.0, 3.0, 20.0]), Mixer(draw=print, carry_out=print, eta=0.1)))
    3.5
    """
    if mixer is None or mixer.eta is None:
        return losses.mean()
    clean, mixed = losses.reshape(-1, 2).mean(axis=0)
    return clean + mixer.eta * mixed


def rows_together(mixer: Mixer | None) -> int:
    """Return how many rows of a mixed batch belong together: with RegMixup an example and its mixture."""
    return 1 if mixer is None or mixer.eta is None else 2


def _side_by_side(one: Array, other: Array) -> Array:
    return jnp.stack([one, other], axis=1).reshape(-1, *one.shape[1:])
