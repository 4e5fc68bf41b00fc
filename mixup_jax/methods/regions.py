"""Plans that paste a region of the partner instead of blending: the mask, and the label weight counted from it."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.mixing import Mix, X, Y, check_batch, describe, mix, on_any_mesh, refuse_lists

Function = TypeVar("Function", bound=Callable[..., Any])


def options_of(draw_plan: Callable[..., Mix]) -> Callable[[Function], Function]:
    """Let `help` show the options of `draw_plan` in place of a function's ``**options``."""

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        shown = {name: each for name, each in signature.parameters.items() if each.kind != each.VAR_KEYWORD}
        for name, option in inspect.signature(draw_plan).parameters.items():
            if option.kind == option.KEYWORD_ONLY:
                shown.setdefault(name, option)
        function.__signature__ = signature.replace(parameters=list(shown.values()))  # pyright: ignore
        return function

    return decorate


def mix_regions(
    draw_plan: Callable[..., Mix],
    rng: Array,
    x: X,
    y: Y,
    alpha: ArrayLike,
    other: tuple[Any, Any] | None,
    options: dict[str, Any],
    carry_out: Callable[..., Any] = mix,
) -> tuple[X, Y]:
    """Draw a plan for the images `x`, and mix images and labels by it."""
    check_batch(x, y, other, options.get("partner", "permutation"))
    size = positions(x, options.get("dims", 2))
    return carry_out(draw_plan(rng, size, alpha, **options), (x, y), other)


def rows_alike(size: int, per: str, block: int | None) -> int:
    """Return how many examples in a row share what is drawn: the whole batch, a block, or each its own."""
    return {"batch": size, "block": block or size, "example": 1}[per]


def lambdas(plan: Mix, per: str) -> Array:
    """Return the plan's lambda for each mask that there is to draw: one for the batch, a block, or an example."""
    return plan.lam[:: rows_alike(len(plan.lam), per, plan.block)]


def paste(plan: Mix, mask: Array) -> Mix:
    """Return the plan with a mask, and the lambda that the mask really gives.

    `plan` is from `draw`; `mask` bool or float32 (batch, runs or 1, *positions), what each position keeps. Lambda
    is counted from the mask, not taken from the plan: a box that was clipped or rounded changes the label too. Where
    the plan's lambda is NaN (a traced alpha that makes no sense) it stays NaN.
    """
    mask = mask if len(mask) == len(plan.lam) else jnp.repeat(mask, len(plan.lam) // len(mask), axis=0)
    lam = jnp.mean(mask, axis=tuple(range(1, mask.ndim)), dtype=jnp.float32)
    lam = on_any_mesh(lambda drawn, lam: jnp.where(jnp.isnan(drawn), jnp.nan, lam), lam)(plan.lam, lam)
    return Mix(lam, plan.partner, plan.block, mask)


def box(starts: Sequence[Array], ends: Sequence[Array], size: Sequence[int]) -> Array:
    """Return masks (batch, *size), bool: False in the box, which is clipped at the border.

    The bounds are integers (batch,) for each axis of positions, starts inside and ends outside.
    """
    inside = jnp.ones((1, *[1] * len(size)), bool)
    for axis, (start, end, length) in enumerate(zip(starts, ends, size, strict=True)):
        position = jnp.arange(length, dtype=jnp.int32)[None]
        along = (position >= start[:, None]) & (position < end[:, None])
        inside &= along.reshape(-1, *[length if each == axis else 1 for each in range(len(size))])
    return ~inside


def boxes(rng: Array, lam: Array, size: Sequence[int]) -> Array:
    """Draw CutMix's boxes (DOI 10.1109/ICCV.2019.00612, eq. 2): masks as `box_at` makes them.

    The centre of a box is anywhere in the image. `lam` is (batch,); one lambda and one box for all if it has length 1.
    """
    keys = jax.random.split(rng, len(size))
    center = [jax.random.randint(key, lam.shape, 0, length, jnp.int32) for key, length in zip(keys, size, strict=True)]
    return box_at(center, lam, size)


def box_at(center: Sequence[Array], lam: Array, size: Sequence[int]) -> Array:
    """Return masks (batch, *size), bool: False in a box around a position, clipped at the border.

    `center`, integers for each axis, and `lam` are (batch,). A box has a share ``1 - lam`` of the positions, its sides
    that power of each axis (the square root in an image), rounded down.
    """
    root = {1: lambda share: share, 2: jnp.sqrt, 3: jnp.cbrt}[len(size)]
    sides = [(root(1 - lam) * length).astype(jnp.int32) for length in size]
    starts = [middle - side // 2 for middle, side in zip(center, sides, strict=True)]
    return box(starts, [start + side for start, side in zip(starts, sides, strict=True)], size)


def boxes_inside(keys: Sequence[Array], sides: Sequence[Array], size: Sequence[int]) -> Array:
    """Draw where boxes are that lie wholly inside of the image: masks (batch, *size), bool, False in the box.

    `keys` are one for each axis of positions, `sides` the lengths of the boxes along them, integers (batch,) from 0 to
    those of the image, `size`.
    """
    starts = [
        jax.random.randint(key, side.shape, 0, length - side + 1, jnp.int32)
        for key, side, length in zip(keys, sides, size, strict=True)
    ]
    return box(starts, [start + side for start, side in zip(starts, sides, strict=True)], size)


@jax.jit  # outside of jit the loop would be compiled anew at each call
def largest(values: Array, count: Array) -> Array:
    """Return where the `count` largest values of each row are: bool like `values`, exactly `count` of them True.

    `values` is float32 (batch, n) without NaN, `count` integer (batch,) from 0 to n; of equal values the first are
    taken, and -0.0 is less than 0.0. The threshold is found bit by bit, which takes 32 counts: for 128 rows of 1024 on
    a CPU 2 ms, where a sort takes 33.
    """
    count, bits = count.astype(jnp.int32), jax.lax.bitcast_convert_type(values, jnp.uint32)
    bits = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))  # in the order of the numbers

    def add_bit(index: Array, least: Array) -> Array:
        higher = least | (jnp.uint32(1 << 31) >> index.astype(jnp.uint32))
        return jnp.where(jnp.sum(bits >= higher[:, None], axis=1, dtype=jnp.int32) >= count, higher, least)

    start = jnp.zeros_like(bits[:, 0]) + jnp.zeros_like(count).astype(jnp.uint32)  # where both are, in a shard_map too
    least = jax.lax.fori_loop(0, 32, add_bit, start)[:, None]
    above, equal = bits > least, bits == least
    room = count - jnp.sum(above, axis=1, dtype=jnp.int32)
    return above | (equal & (jnp.cumsum(equal, axis=1, dtype=jnp.int32) <= room[:, None]))


AXES = {1: "(batch, length)", 2: "(batch, height, width)", 3: "(batch, depth, height, width)"}
"""What the first axes of an array are, by the number of `dims`."""


def positions(x: Any, dims: int = 2) -> tuple[int, ...]:
    """Return (batch, *positions) of arrays (batch, *positions) or (batch, *positions, channels), or of a tree of them.

    `dims` says how many axes of positions there are: 1 for audio and other sequences, 2 for images, 3 for video and
    volumes. Raises ValueError for arrays with fewer or more axes, of different sizes, and where the first or the last
    of the axes taken looks like channels (at most 4, beside others that are twice as long; of an image, shorter
    than two others of one length).
    """
    axes = _axes(dims)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(x)]
    for shape in shapes:
        refuse_lists(x, shape[0] if shape else 0)
        if len(shape) not in (dims + 1, dims + 2):
            raise ValueError(
                f"x must be {axes} or the same with channels last, as dims is {dims}, got shape {shape}. dims: 1 cuts "
                "sequences, 2 images, 3 video and volumes; cut video frame by frame as x.reshape(-1, *x.shape[2:])."
            )
        sides = shape[1:]
        square = dims == 2 and sides[0] < sides[1] == sides[-1]
        if len(shape) == dims + 2 and (square or _may_be_channels(sides[0], sides[1:])):
            raise ValueError(
                f"x looks like (batch, channels, ...), shape {shape}, but {axes} would be cut: move channels last, "
                "jnp.moveaxis(x, 1, -1). If it is right, draw the plan for x.shape[:-1] and mix."
            )
        if len(shape) == dims + 1 and dims > 1 and _may_be_channels(sides[-1], sides[:-1]):
            raise ValueError(
                f"x looks like it has channels last, shape {shape}, but {axes} would be cut: give dims={dims - 1}. "
                "If it is right, draw the plan for x.shape and mix."
            )
    sizes = sorted({shape[: dims + 1] for shape in shapes})
    if len(sizes) != 1:
        raise ValueError(f"x must be of one size, got {axes} of {', '.join(map(str, sizes))}.")
    return sizes[0]


def check_size(size: Any, dims: int = 2) -> tuple[int, ...]:
    """Return `size` if it is (batch, *positions), integers; raises ValueError if it is not."""
    axes = _axes(dims)
    if not isinstance(size, tuple) or len(size) != dims + 1 or not all(hasattr(each, "__index__") for each in size):
        got = size if isinstance(size, tuple) else describe(size)
        raise ValueError(
            f"size must be {axes}, as dims is {dims}, got {got}; of an array x that is x.shape[:{dims + 1}]."
        )
    return size


def _may_be_channels(length: int, others: tuple[int, ...]) -> bool:
    return length <= 4 and min(others) >= 2 * length and min(others) > 4


def _axes(dims: int) -> str:
    if dims not in AXES:
        raise ValueError(f"dims must be one of {', '.join(map(str, AXES))}, the axes of positions, got {dims!r}.")
    return AXES[dims]
