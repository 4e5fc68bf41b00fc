"""SYNTHETIC wafer maps of the 38 patterns of MixedWM38: parametric fields of failure and independent dies.

A die at (row i, column j) of a map of N x N has the coordinates u = (j - (N-1)/2) / (N/2), v likewise; it is on the
wafer where r = sqrt(u^2 + v^2) <= 26.2/26. Each defect is a field P_k of probabilities; with the background p0 a die
fails with probability 1 - (1 - p0) prod_k (1 - P_k): one background for any number of defects. Parameters are drawn for
each map; their ranges were read off the illustrations of MixedWM38, and reproduce the share of failing dies by radius.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Integer, Key, UInt8

from experiments.wafer.patterns import DEFECTS

SIZE = 52
RADIUS = 26.2 / 26
NOISE = {"low": (0.02, 0.08), "high": (0.15, 0.25)}
"""Range of the background p0; "high" is MixedWM38's, whose maps without a defect have the low one, as here."""
NEAR_FULL, RANDOM = (0.65, 0.85), (0.40, 0.55)
"""Ranges of the failure probability of the patterns that cover the whole wafer."""

Field = Float[Array, "size size"]


def draw_maps(
    rng: Key[Array, ""], label: Integer[Array, "maps defects"], noise: str = "high", size: int = SIZE
) -> UInt8[Array, "maps size size"]:
    """Draw a map for each multi-hot label: 0 no die, 1 a die that passes, 2 one that fails.

    Map i depends only on `rng`, i and its label. `noise` is a key of `NOISE`. The types Near-Full and Random have no
    background and hide other types.

    Raises ValueError for an unknown noise or labels that are not (maps, 8).

    >>> draw = jax.jit(draw_maps, static_argnames=("noise", "size"))
    >>> maps = draw(jax.random.key(0), jnp.eye(8, dtype=jnp.uint8), noise="low")
    >>> maps.shape, int((maps[0] > 0).sum())
    ((8, 52, 52), 2148)
    """
    if noise not in NOISE:
        raise ValueError(f"noise must be one of {', '.join(NOISE)}, got {noise!r}.")
    if label.ndim != 2 or label.shape[1] != len(DEFECTS):
        raise ValueError(f"label must be multi-hot (maps, {len(DEFECTS)}), got shape {label.shape}.")
    keys = jax.vmap(partial(jax.random.fold_in, rng))(jnp.arange(label.shape[0]))
    return jax.vmap(partial(_draw_map, noise=noise, size=size))(keys, label)


def on_wafer(size: int = SIZE) -> Array:
    """Return the mask of the dies, bool (size, size)."""
    u, v = _coordinates(size)
    return jnp.hypot(u, v) <= RADIUS


def _draw_map(rng: Array, label: Array, noise: str, size: int) -> Array:
    rng_background, rng_dies, rng_whole, *keys = jax.random.split(rng, 3 + len(FIELDS))
    low, high = NOISE[noise]
    any_defect = jnp.any(label > 0)
    low, high = jnp.where(any_defect, low, NOISE["low"][0]), jnp.where(any_defect, high, NOISE["low"][1])
    [background] = _uniforms(rng_background, (low, high))
    passes = jnp.full((size, size), 1 - background)
    for key, (name, field) in zip(keys, FIELDS.items(), strict=True):
        present = label[DEFECTS.index(name)] > 0
        passes *= jnp.where(present, 1 - field(key, size), 1.0)
    dies = jax.random.uniform(rng_dies, (size * size,)).reshape(size, size)
    near_full, random = label[DEFECTS.index("Near-Full")] > 0, label[DEFECTS.index("Random")] > 0
    whole = _whole_wafer(rng_whole, near_full, dies)
    fails = jnp.where(near_full | random, whole, dies < 1 - passes)
    return jnp.where(on_wafer(size), 1 + fails.astype(jnp.uint8), jnp.uint8(0))


def _whole_wafer(rng: Array, near_full: Array, dies: Array) -> Array:
    """Return failures across the wafer, of single dies or of blocks of 2 x 2."""
    full, part, in_blocks = _uniforms(rng, NEAR_FULL, RANDOM, (0.0, 1.0))
    share = jnp.where(near_full, full, part)
    size = dies.shape[0]
    blocks = jnp.repeat(jnp.repeat(dies[::2, ::2], 2, axis=0), 2, axis=1)[:size, :size]
    return jnp.where(in_blocks < 0.5, blocks, dies) < share


def center(rng: Array, size: int) -> Field:
    """Draw a disc about the centre: q sigma((rho - d) / (0.06 rho))."""
    rng, rng_middle = jax.random.split(rng)
    rho, share = _uniforms(rng, (0.12, 0.40), (0.9, 1.0))
    distance = _distance(size, 0.05 * jax.random.normal(rng_middle, (2,)))
    return share * jax.nn.sigmoid((rho - distance) / (0.06 * rho))


def donut(rng: Array, size: int) -> Field:
    """Draw a ring about the centre: q sigma((d - a) / 0.03) sigma((b - d) / 0.04)."""
    rng, rng_middle = jax.random.split(rng)
    inner, width, share = _uniforms(rng, (0.08, 0.26), (0.15, 0.32), (0.8, 0.95))
    distance = _distance(size, 0.08 * jax.random.normal(rng_middle, (2,)))
    return share * jax.nn.sigmoid((distance - inner) / 0.03) * jax.nn.sigmoid((inner + width - distance) / 0.04)


def edge(rng: Array, size: int, degrees: tuple[float, float]) -> Field:
    """Draw a sector of the outermost ring: q where r > 1 - w and the angle is within the sector."""
    width, middle, sector, share = _uniforms(rng, (0.04, 0.09), (-180.0, 180.0), degrees, (0.8, 0.95))
    u, v = _coordinates(size)
    away = jnp.abs(jnp.mod(jnp.rad2deg(jnp.arctan2(v, u)) - middle + 180, 360) - 180)
    return share * ((jnp.hypot(u, v) > 1 - width) & (away <= sector / 2))


def loc(rng: Array, size: int) -> Field:
    """Draw an ellipse anywhere: q sigma((1 - e) / 0.18), e the elliptic radius."""
    ranges = ((0.30, 0.80), (-180.0, 180.0), (0.0, 180.0), (0.12, 0.28), (0.45, 1.0), (0.7, 0.95))
    radius, angle, heading, major, ratio, share = _uniforms(rng, *ranges)
    along, across = _turned(size, radius, angle, heading)
    elliptic = jnp.hypot(along / major, across / (major * ratio))
    return share * jax.nn.sigmoid((1 - elliptic) / 0.18)


def scratch(rng: Array, size: int) -> Field:
    """Draw an arc one die wide: q within half a die of a curve of constant curvature."""
    rng, rng_bend = jax.random.split(rng)
    ranges = ((0.2, 0.9), (-180.0, 180.0), (-180.0, 180.0), (0.5, 1.3), (0.8, 0.98))
    radius, angle, heading, length, share = _uniforms(rng, *ranges)
    along, across = _turned(size, radius, angle, heading)
    bend = 0.9 * jax.random.normal(rng_bend)
    bend = jnp.where(jnp.abs(bend) < 1e-3, 1e-3, bend)  # nearly straight, and no 0 / 0 below
    # The circle of this curvature that touches the heading, without a small difference of two large radii.
    turned = jnp.hypot(bend * along, 1 - bend * across)
    away = jnp.abs(bend * (along**2 + across**2) - 2 * across) / (turned + 1)
    travelled = jnp.abs(jnp.arctan2(bend * along, 1 - bend * across) / bend)
    return share * ((away <= 0.5 / (size / 2)) & (travelled <= length / 2))


FIELDS: dict[str, Callable[[Array, int], Field]] = {
    "Center": center,
    "Donut": donut,
    "Edge-Loc": partial(edge, degrees=(80.0, 250.0)),
    "Edge-Ring": partial(edge, degrees=(290.0, 360.0)),
    "Loc": loc,
    "Scratch": scratch,
}
"""The functions that draw the fields of the types that are regions."""


def _coordinates(size: int) -> tuple[Array, Array]:
    """Return (u, v), each (size, size)."""
    line = (jnp.arange(size) - (size - 1) / 2) / (size / 2)
    v, u = jnp.meshgrid(line, line, indexing="ij")
    return u, v


def _distance(size: int, centre: Array) -> Array:
    u, v = _coordinates(size)
    return jnp.hypot(u - centre[0], v - centre[1])


def _turned(size: int, radius: Array, angle: Array, heading: Array) -> tuple[Array, Array]:
    """Return the coordinates along and across a heading, from the point (radius, angle); angles are in degrees."""
    u, v = _coordinates(size)
    angle, heading = jnp.deg2rad(angle), jnp.deg2rad(heading)
    u, v = u - radius * jnp.cos(angle), v - radius * jnp.sin(angle)
    return u * jnp.cos(heading) + v * jnp.sin(heading), v * jnp.cos(heading) - u * jnp.sin(heading)


def _uniforms(rng: Array, *ranges: tuple[Array | float, Array | float]) -> Array:
    """Draw a number from each range, in one draw: a draw takes a second to compile."""
    low, high = (jnp.stack([jnp.asarray(each[end], jnp.float32) for each in ranges]) for end in (0, 1))
    return low + (high - low) * jax.random.uniform(rng, (len(ranges),))
