"""mixup as pure functions (Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412, section 2).

    x~ = lam x_i + (1 - lam) x_j        y~ = lam y_i + (1 - lam) y_j        lam ~ Beta(alpha, alpha)

This file imports jax and nothing else: copy it into your own research. A mixing plan (`Mix`) is a value that can be
logged, replayed and tested; `draw` makes one, `mix` applies it to any pytree of arrays, `mixup` does both. The methods
that came after mixup (`mixup_jax.methods`) draw plans of the same type.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

PER = ("batch", "example")
PARTNERS = ("permutation", "derangement", "roll", "flip")


@partial(jax.tree_util.register_dataclass, data_fields=("lam", "partner", "mask"), meta_fields=("block", "resized"))
@dataclass(frozen=True)
class Mix:
    """A mixing plan for a batch.

    `lam`: float32 (batch,), in [0, 1], the weight that each example keeps of itself.
    `partner`: int32 (batch,), the index in the batch of the example that each is mixed with.
    `block`: partners stay within runs of this many consecutive examples; None is the whole batch. A plan made by hand
    must keep that promise: `mix` looks for partners in the run only.
    `mask`: (batch, height, width) or other positions, what each position keeps of itself: bool (pasting, as in CutMix)
    or float32. Leaves with these positions (batch, height, width, ...) follow the mask, all others `lam`, its mean.
    `resized`: the mask stands for the whole partner, shrunk; only `mixup_jax.methods.paste_resized` can carry that out.
    """

    lam: Array
    partner: Array
    block: int | None = None
    mask: Array | None = None
    resized: bool = False


def draw(
    rng: Array,
    size: int,
    alpha: ArrayLike,
    *,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> Mix:
    """Draw a mixing plan for a batch of `size` examples.

    `alpha` >= 0 may be traced (a schedule, or a vmap over values); 0 is ERM: every lambda is 1. A traced alpha that is
    negative or NaN cannot raise and gives NaN. `per="batch"` draws one lambda (the released code), `per="example"` one
    for each example. `partner` is "permutation" (uniform, an example may meet itself), "derangement" (a random cycle:
    never itself), "roll" (the example before) or "flip" (the batch reversed), or the partners themselves, integers
    (batch,). `block` restricts partners to runs of `block` consecutive examples, so that no example crosses a device
    that holds whole runs; partners given as integers must keep to them.

    Raises ValueError for an empty batch, a negative, infinite or NaN alpha, an unknown `per` or `partner`, a `block`
    that does not divide `size`, or a derangement of one example.

    >>> plan = draw(jax.random.key(0), 6, alpha=1.0, partner="roll", block=3)
    >>> plan.partner.tolist()
    [2, 0, 1, 5, 3, 4]
    """
    block_size = _check_plan(size, alpha, per, partner, block)
    rng_lam, rng_partner = jax.random.split(rng)
    lam = _draw_lam(rng_lam, alpha, () if per == "batch" else (size,))
    if not isinstance(partner, str):
        return Mix(jnp.broadcast_to(lam, (size,)), jnp.asarray(partner).astype(jnp.int32), block)
    starts = jnp.arange(0, size, block_size, dtype=jnp.int32)[:, None]
    if partner in ("permutation", "derangement"):
        keys = jax.random.split(rng_partner, size // block_size)
        order = jax.vmap(lambda key: jax.random.permutation(key, block_size))(keys).astype(jnp.int32)
        if partner == "derangement":  # follow one random cycle through all examples of the block
            rows = jnp.arange(len(order))[:, None]
            order = jnp.zeros_like(order).at[rows, order].set(jnp.roll(order, 1, axis=1))
    else:
        row = jnp.arange(block_size, dtype=jnp.int32)
        order = (jnp.roll(row, 1) if partner == "roll" else row[::-1])[None]
    return Mix(jnp.broadcast_to(lam, (size,)), (starts + order).reshape(size), block)


def mix(plan: Mix, tree: Any, other: Any = None) -> Any:
    """Mix every leaf of `tree` along its first axis: ``lam * a + (1 - lam) * a[partner]`` (paper, eq. 1).

    Leaves are floating-point (batch, ...); they keep their dtype, and those of 16 bits or less are mixed in float32.
    Where the plan has a bool mask, leaves with its positions are pasted together, whatever their dtype. `other`, a tree
    like `tree`, is where the partners are: a second batch, or a whole data set; its leaves may have another length (an
    index beyond it means its last example, as everywhere in JAX).

    Raises TypeError for integer or boolean leaves (one-hot class ids, or use `mixed_cross_entropy`; convert images),
    ValueError for a leaf whose first axis is not the plan's, or that does not fit its partners, and for images with a
    plan of ResizeMix.

    >>> plan = Mix(lam=jnp.array([1.0, 0.75]), partner=jnp.array([1, 0]))
    >>> mix(plan, {"x": jnp.array([[8.0], [4.0]])})
    {'x': Array([[8.], [5.]], dtype=float32)}
    """

    def mix_leaf(path: Any, leaf: Any, others: Any) -> Array:
        return _mix_leaf(plan, jnp.asarray(leaf), jnp.asarray(others), jax.tree_util.keystr(path))

    return jax.tree_util.tree_map_with_path(mix_leaf, tree, tree if other is None else other)


def mixup(
    rng: Array,
    x: Any,
    y: Any,
    alpha: ArrayLike,
    *,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[Any, Any]:
    """Mix a batch with itself: ``mix(draw(rng, len(x), alpha), (x, y))`` (paper, figure 1a).

    `x` and `y` are floating-point arrays (batch, ...) or pytrees of them, `y` soft labels such as one-hot (batch,
    classes). Options and errors are those of `draw` and `mix`; also ValueError for x and y of different length.

    >>> x, y = mixup(jax.random.key(0), jnp.eye(4), jnp.eye(4), alpha=1.0)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    size = _length("x", x)
    if _length("y", y) != size:
        raise ValueError(f"x and y must have the same length, got {size} and {_length('y', y)}.")
    _refuse_class_ids(y)
    return mix(draw(rng, size, alpha, per=per, partner=partner, block=block), (x, y))


def _draw_lam(rng: Array, alpha: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Draw float32 lambdas; 1 where alpha is 0 (`jax.random.beta` is NaN there), NaN where alpha makes no sense."""
    alpha = jnp.asarray(alpha, jnp.float32)
    positive = jnp.where(alpha > 0, alpha, 1.0)
    lam = jax.random.beta(rng, positive, positive, shape, dtype=jnp.float32)
    return jnp.where(alpha > 0, lam, jnp.where(alpha == 0, 1.0, jnp.nan))


def take_partner(plan: Mix, leaf: Array) -> Array:
    """Return ``leaf[partner]``; with a block, as reshape and vmap, which the compiler keeps on each device."""
    if plan.block is None:
        return leaf[plan.partner]
    if leaf.shape[0] != plan.lam.shape[0]:
        raise ValueError(
            f"partners are {describe(leaf)}; with a block there must be {plan.lam.shape[0]}, as in the plan."
        )
    runs = leaf.reshape(-1, plan.block, *leaf.shape[1:])
    partner = (plan.partner % plan.block).reshape(-1, plan.block)
    return jax.vmap(lambda run, index: run[index])(runs, partner).reshape(leaf.shape)


def _mix_leaf(plan: Mix, leaf: Array, others: Array, name: str) -> Array:
    share = plan.lam
    if plan.mask is not None and leaf.shape[1 : plan.mask.ndim] == plan.mask.shape[1:]:
        share = plan.mask
        if plan.resized:
            raise ValueError(f"plan is one of draw_resizemix: use paste_resized for leaf{name}, {describe(leaf)}.")
    elif plan.mask is not None and leaf.shape[2 : plan.mask.ndim + 1] == plan.mask.shape[1:]:
        raise ValueError(
            f"leaf{name} is {describe(leaf)}, but the plan's mask is {plan.mask.shape}: its positions must follow the "
            "batch axis; move channels last, jnp.moveaxis(x, 1, -1)."
        )
    pasted = share.dtype == bool
    if not pasted and not jnp.issubdtype(leaf.dtype, jnp.inexact):
        raise TypeError(
            f"leaf{name} is {describe(leaf)}; mixing needs floating-point numbers: convert images "
            "(x.astype(jnp.float32)), jax.nn.one_hot class ids, or keep ids and use mixed_cross_entropy."
        )
    if leaf.ndim == 0 or leaf.shape[0] != plan.lam.shape[0]:
        raise ValueError(f"leaf{name} is {describe(leaf)}; the plan mixes a batch of {plan.lam.shape[0]}.")
    if others.shape[1:] != leaf.shape[1:] or others.dtype != leaf.dtype:
        raise ValueError(f"leaf{name} is {describe(leaf)}, but its partners are {describe(others)}.")
    share = share.reshape(*share.shape, *[1] * (leaf.ndim - share.ndim))
    partner = take_partner(plan, others)
    if pasted:
        return jnp.where(share, leaf, partner)
    # lam * own + (1 - lam) * partner, with one product: of two, compilers fuse now the one and now the other with the
    # sum, and the last bit would depend on the program around, on the number of devices for one.
    dtype = jnp.promote_types(leaf.dtype, jnp.float32)
    own, partner = leaf.astype(dtype), partner.astype(dtype)
    near, far = jnp.where(share >= 0.5, own, partner), jnp.where(share >= 0.5, partner, own)
    share = jnp.minimum(share, 1 - share).astype(dtype)
    change = jnp.where(share > 0, far - near, 0.0)  # of what is not taken, inf and NaN must not get in as 0 * inf
    return (near + share * change).astype(leaf.dtype)


def _check_plan(size: int, alpha: ArrayLike, per: str, partner: str | ArrayLike, block: int | None) -> int:
    """Raise what can be seen at trace time; return the number of examples a block holds."""
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}: an empty batch cannot be mixed.")
    if per not in PER:
        raise ValueError(f"per must be one of {', '.join(PER)}, got {per!r}.")
    if not isinstance(partner, str):
        given, partner = partner, jnp.asarray(partner)
        if partner.shape != (size,) or not jnp.issubdtype(partner.dtype, jnp.integer):
            raise ValueError(f"partner must be integers of shape ({size},), got {describe(partner)}.")
        if block and size % block == 0 and not isinstance(given, Tracer):
            with jax.ensure_compile_time_eval():
                leaving = bool(jnp.any(jnp.asarray(given) // block != jnp.arange(size) // block))
            if leaving:
                raise ValueError(f"partner must keep to the runs of {block} examples that block asks for.")
    elif partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)}, got {partner!r}.")
    if jnp.ndim(alpha) != 0:
        raise ValueError(f"alpha must be a scalar, got shape {jnp.shape(alpha)}; vmap over several values.")
    if not isinstance(alpha, Tracer) and not 0 <= float(alpha) < float("inf"):  # pyright: ignore[reportArgumentType]
        raise ValueError(f"alpha must be a finite number >= 0 (0 is ERM), got {alpha}.")
    block_size = size if block is None else block
    if block_size < 1 or size % block_size:
        raise ValueError(f"block must divide the batch, got block {block} and a batch of {size}.")
    if isinstance(partner, str) and partner == "derangement" and block_size < 2:
        raise ValueError(f"partner 'derangement' needs at least 2 examples to choose from, got {block_size}.")
    return block_size


def _length(name: str, tree: Any) -> int:
    leaves = [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
    if not leaves or any(shape == () for shape in leaves):
        raise ValueError(f"{name} must hold arrays with a batch axis, got {jax.tree.map(jnp.shape, tree)}.")
    if leaves[0][0] == 0:
        raise ValueError(f"{name} is an empty batch, got shape {leaves[0]}.")
    return leaves[0][0]


def _refuse_class_ids(y: Any) -> None:
    for leaf in map(jnp.asarray, jax.tree.leaves(y)):
        if jnp.issubdtype(leaf.dtype, jnp.integer):
            if leaf.ndim > 1:
                raise TypeError(
                    f"y holds integers ({describe(leaf)}); convert multi-hot labels: y.astype(jnp.float32)."
                )
            raise TypeError(
                f"y holds integer class ids ({describe(leaf)}); mixup needs soft labels of shape ({leaf.shape[0]}, "
                "classes): jax.nn.one_hot(y, classes), or keep ids and use mixed_cross_entropy."
            )


def describe(leaf: Array) -> str:
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
