"""mixup as pure functions (Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412, section 2).

    x~ = lam x_i + (1 - lam) x_j        y~ = lam y_i + (1 - lam) y_j        lam ~ Beta(alpha, alpha)

This file imports jax and nothing else: copy it into your own research. A mixing plan (`Mix`) is a value to log, replay
and test: `draw` makes one, `mix` applies it to any pytree of arrays, `mixup` does both. The methods that came after
mixup (`mixup_jax.methods`) draw plans of the same type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike, DTypeLike

PER = ("batch", "block", "example")
PARTNERS = ("permutation", "derangement", "roll", "flip")
X = TypeVar("X")  # a tree in, a tree of the same type out
Y = TypeVar("Y")


@partial(jax.tree_util.register_dataclass, data_fields=("lam", "partner", "mask"), meta_fields=("block", "resized"))
@dataclass(frozen=True, eq=False)
class Mix:
    """A mixing plan for a batch. Two plans are equal if all their fields are equal; a plan has no hash.

    `lam`: float32 (batch,), the weight that an example keeps of itself, in [0, 1]. Values outside raise ValueError if
    they are known at trace time; traced values are clipped.
    `partner`: int32 (batch,), the index in the batch of the example's partner.
    `block`: partners stay within runs of this many consecutive examples; None is the whole batch. `mix` looks for
    partners in the run only, also if a plan made by hand breaks this promise.
    `mask`: (batch, height, width) or other positions, one axis or more: the share that a position keeps of itself, bool
    (pasting, as in CutMix) or float32. Leaves with these positions (batch, height, width, ...) follow the mask, all
    other leaves `lam`, its mean.
    `resized`: the mask stands for the whole partner, shrunk: a plan for `mixup_jax.methods.paste_resized` only.
    """

    lam: Any  # arrays, or the shapes, shardings and axes that JAX puts in their place
    partner: Any
    block: int | None = None
    mask: Any = None
    resized: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mix):
            return NotImplemented
        (own, structure), (others, other_structure) = jax.tree.flatten(self), jax.tree.flatten(other)
        return structure == other_structure and all(map(jnp.array_equal, own, others))

    __hash__ = None  # pyright: ignore[reportAssignmentType]


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
    negative or NaN gives NaN. `per="batch"` draws one lambda (the released code), `per="example"` one for each example,
    `per="block"` one for each run of `block` examples, as workers that share a batch do.
    `partner` is "permutation" (uniform, an example may meet itself), "derangement" (a random cycle: never itself),
    "roll" (the example before), "flip" (the batch reversed), or the partners themselves, integers (batch,). `block`
    keeps partners within runs of `block` consecutive examples, so that no example leaves a device that holds whole
    runs; integers must keep to the runs themselves.

    Raises TypeError if `size` is no integer or `alpha` no number; ValueError for an empty batch, a negative, infinite
    or NaN alpha, an unknown `per` or `partner`, a `block` that is missing or does not divide, a derangement of one.

    >>> plan = draw(jax.random.key(0), 6, alpha=1.0, partner="roll", block=3)
    >>> plan.partner.tolist()
    [2, 0, 1, 5, 3, 4]
    """
    size, block_size = _check_options(size, alpha, per, partner, block)
    rng_lam, rng_partner = jax.random.split(rng)
    alike = {"batch": size, "block": block_size, "example": 1}[per]  # so many in a row have one lambda
    lam = jnp.repeat(_draw_lam(rng_lam, alpha, size // alike), alike)
    if not isinstance(partner, str):
        return Mix(lam, jnp.asarray(partner).astype(jnp.int32), block)
    starts = jnp.arange(0, size, block_size, dtype=jnp.int32)[:, None]
    if partner in ("permutation", "derangement"):
        keys = jax.random.split(rng_partner, size // block_size)
        order = jax.vmap(lambda key: jax.random.permutation(key, block_size))(keys).astype(jnp.int32)
        if partner == "derangement":  # follow one random cycle through all examples of the block
            order = jnp.zeros_like(order).at[jnp.arange(len(order))[:, None], order].set(jnp.roll(order, 1, axis=1))
    else:
        row = jnp.arange(block_size, dtype=jnp.int32)
        order = (jnp.roll(row, 1) if partner == "roll" else row[::-1])[None]
    return Mix(lam, (starts + order).reshape(size), block)


def mix(plan: Mix, tree: X, other: Any = None) -> X:
    """Mix every leaf of `tree` along its first axis: ``lam * a + (1 - lam) * a[partner]`` (paper, eq. 1).

    Leaves are floating-point (batch, ...), and keep their dtype; 16 bits or less are mixed in float32. NumPy arrays
    come back as JAX arrays. With a bool mask, leaves that have its positions are pasted together, whatever their dtype.
    `other`, a tree like `tree`, holds the partners: a second batch, or a data set, of any length (an index beyond it is
    its last example, as in JAX; without `other`, an error where seen). Derivatives are those of eq. 1, by lambda too.

    Raises TypeError for integer or boolean leaves (one-hot class ids, or use `mixed_cross_entropy`; convert images);
    ValueError for a leaf of another length than the plan or that does not fit its partners, a list of as many arrays as
    examples, a leaf (batch, n) with a mask (batch, n): positions or classes?, and images with a plan of ResizeMix.

    >>> plan = Mix(lam=jnp.array([1.0, 0.75]), partner=jnp.array([1, 0]))
    >>> mix(plan, {"x": jnp.array([[8.0], [4.0]])})
    {'x': Array([[8.], [5.]], dtype=float32)}
    """
    plan = checked(plan, alone=other is None)
    refuse_lists(tree, plan.lam.shape[0])

    def mix_leaf(path: Any, leaf: Any, others: Any) -> Array:
        leaf, others = jnp.asarray(leaf), jnp.asarray(others)
        return on_any_mesh(partial(_mix_leaf, jax.tree_util.keystr(path)), leaf)(plan, leaf, others)

    return jax.tree_util.tree_map_with_path(mix_leaf, tree, tree if other is None else other)


def mixup(
    rng: Array,
    x: X,
    y: Y,
    alpha: ArrayLike,
    *,
    other: tuple[Any, Any] | None = None,
    per: str = "batch",
    partner: str | ArrayLike = "permutation",
    block: int | None = None,
) -> tuple[X, Y]:
    """Mix a batch with itself: ``mix(draw(rng, len(x), alpha), (x, y))`` (paper, figure 1a).

    `x` and `y` are floating-point arrays (batch, ...) or pytrees of them, `y` soft labels such as one-hot (batch,
    classes). `other` is another (x, y) that holds the partners: a second batch of the same length or, with `partner`
    integers, a data set. Options and errors are as in `draw` and `mix`; also ValueError if the lengths of x, y and a
    second batch differ.

    >>> x, y = mixup(jax.random.key(0), jnp.eye(4), jnp.eye(4), alpha=1.0)
    >>> bool(jnp.allclose(y.sum(axis=1), 1.0))
    True
    """
    size = check_batch(x, y, other, partner)
    return mix(draw(rng, size, alpha, per=per, partner=partner, block=block), (x, y), other)


def _draw_lam(rng: Array, alpha: ArrayLike, count: int) -> Array:
    """Draw float32 lambdas: 1 if alpha is 0, for which `jax.random.beta` is NaN; NaN if alpha is negative or NaN."""
    alpha = jnp.asarray(alpha, jnp.float32)
    positive = jnp.where(alpha > 0, alpha, 1.0)
    lam = jax.random.beta(rng, positive, positive, (count,), dtype=jnp.float32)
    return jnp.where(alpha > 0, lam, jnp.where(alpha == 0, 1.0, jnp.nan))


def take_partner(plan: Mix, leaf: Array) -> Array:
    """Return ``leaf[partner]``; with a block as reshape and vmap, which XLA keeps on each device."""
    if plan.block is None:
        return on_any_mesh(lambda leaf, partner: leaf[partner], leaf)(leaf, plan.partner)
    size, block = plan.lam.shape[0], plan.block
    if leaf.shape[0] != size:
        raise ValueError(f"partners are {describe(leaf)}; with a block there must be {size}, as in the plan.")

    def take(leaf: Array, partner: Array) -> Array:
        runs = leaf.reshape(-1, block, *leaf.shape[1:])
        return jax.vmap(lambda run, index: run[index])(runs, (partner % block).reshape(-1, block)).reshape(leaf.shape)

    return on_any_mesh(take, leaf)(leaf, plan.partner)


def on_any_mesh(function: Callable[..., Any], like: Array, ndim: int | None = None) -> Callable[..., Any]:
    """Let a function gather on Explicit axes too; its result is sharded as the first `ndim` axes of `like`."""
    sharding = jax.typeof(like).sharding
    if not sharding.mesh.explicit_axes:
        return function
    return jax.sharding.auto_axes(function, out_sharding=sharding.update(spec=P(*sharding.spec[:ndim])))


@jax.custom_jvp
def _blend(share: Array, own: Array, partner: Array) -> Array:
    """Return ``share * own + (1 - share) * partner`` with one product.

    With two products, compilers fuse one or the other with the sum, and the last bit depends on the rest of the program
    and on the number of devices. A parent without weight adds nothing, not even 0 * inf.
    """
    near, far = jnp.where(share >= 0.5, own, partner), jnp.where(share >= 0.5, partner, own)
    share = jnp.minimum(share, 1 - share)
    base = jnp.where(jnp.isfinite(near), near, 0)  # inf - inf: an infinite parent stays as it is
    halved = ~jnp.isfinite(far - base)  # 3e38 - (-3e38) overflows
    far, base = jnp.where(halved, far / 2, far), jnp.where(halved, base / 2, base)
    share = jnp.where(halved, 2 * share, share)
    return near + share.astype(far.dtype) * jnp.where(share > 0, far - base, 0)


@partial(_blend.defjvp, symbolic_zeros=True)
def _derivative_of_blend(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Differentiate the equation, not the code, which swaps the parents at 1/2 and drops one at 0 and 1."""
    share, own, partner = primals
    difference = jnp.where(jnp.isfinite(own) & jnp.isfinite(partner), own - partner, 0)  # inf stays inf
    derivative = jnp.zeros_like(own)
    for tangent, factor in zip(tangents, (difference, share, 1 - share), strict=True):
        if not isinstance(tangent, SymbolicZero):
            derivative += factor.astype(own.dtype) * tangent.astype(own.dtype)
    return _blend(share, own, partner), derivative


blend = jax.jit(_blend, inline=True)  # one program also without a jit around it


def widened(dtype: DTypeLike) -> DTypeLike:
    """Return the dtype to compute in: at least 32 bits."""
    return dtype if jnp.dtype(dtype).itemsize >= 4 else jnp.float32


def _mix_leaf(name: str, plan: Mix, leaf: Array, others: Array) -> Array:
    share = _share(plan, leaf, name)
    pasted = share.dtype == bool
    if not pasted and not jnp.issubdtype(leaf.dtype, jnp.inexact):
        raise TypeError(
            f"leaf{name} is {describe(leaf)}; mixing needs floating-point numbers: convert images and multi-hot "
            "labels (x.astype(jnp.float32)), jax.nn.one_hot class ids, or keep ids and use mixed_cross_entropy."
        )
    if leaf.ndim == 0 or leaf.shape[0] != plan.lam.shape[0]:
        raise ValueError(f"leaf{name} is {describe(leaf)}; the plan mixes a batch of {plan.lam.shape[0]}.")
    if others.shape[1:] != leaf.shape[1:] or others.dtype != leaf.dtype:
        raise ValueError(f"leaf{name} is {describe(leaf)}, but its partners are {describe(others)}.")
    share = share.reshape(*share.shape, *[1] * (leaf.ndim - share.ndim))
    partner = take_partner(plan, others)
    if pasted:
        return jnp.where(share, leaf, partner)
    own, partner = leaf.astype(widened(leaf.dtype)), partner.astype(widened(leaf.dtype))
    return blend(share.astype(jnp.finfo(own.dtype).dtype), own, partner).astype(leaf.dtype)


def _share(plan: Mix, leaf: Array, name: str) -> Array:
    """Return the mask if the leaf has its positions, else lambda."""
    if (mask := plan.mask) is None:
        return plan.lam
    if leaf.shape[1 : mask.ndim] == mask.shape[1:]:
        if plan.resized:
            raise ValueError(f"plan is one of draw_resizemix: use paste_resized for leaf{name}, {describe(leaf)}.")
        if mask.ndim == leaf.ndim == 2:
            raise ValueError(
                f"leaf{name} is {describe(leaf)}, as the plan's mask is: are these positions or classes? Give "
                "positions a last axis, x[..., None]; mix labels with dataclasses.replace(plan, mask=None)."
            )
        return mask
    if leaf.shape[2 : mask.ndim + 1] == mask.shape[1:]:
        order = "positions follow the batch axis; move channels last, jnp.moveaxis(x, 1, -1)"
        raise ValueError(f"leaf{name} is {describe(leaf)}, but the plan's mask is {mask.shape}: {order}.")
    return plan.lam


def checked(plan: Mix, alone: bool = False) -> Mix:
    """Validate a plan; return it with its fields as arrays. Where the batch is `alone`, partners are in it."""
    if not isinstance(plan, Mix):
        order = "mix(plan, tree), union(plan, y), mixed_cross_entropy(logits, labels, plan)"
        raise TypeError(f"plan must be a Mix, got {describe(plan)}; the order is {order}.")
    with jax.ensure_compile_time_eval():
        plan = jax.tree.map(jnp.asarray, plan, is_leaf=lambda node: isinstance(node, list))
    size = plan.lam.shape
    if len(size) != 1 or plan.partner.shape != size or not jnp.issubdtype(plan.partner.dtype, jnp.integer):
        raise ValueError(
            f"plan must hold lam (batch,) and integer partner (batch,), got {describe(plan.lam)} and "
            f"{describe(plan.partner)}; one lambda for all is jnp.full(batch, 0.5)."
        )
    if plan.mask is not None and plan.mask.shape[:1] != size:
        raise ValueError(f"plan's mask must be (batch, ...) for a batch of {size[0]}, got {describe(plan.mask)}.")
    fields = [("lam", plan.lam, 0, 1), ("mask", plan.mask, 0, 1), ("partner", plan.partner, -size[0], size[0] - 1)]
    for name, array, low, high in fields if alone and plan.block is None else fields[:2]:  # a block is never left
        known = isinstance(array, Array) and not isinstance(array, Tracer) and array.is_fully_addressable
        if known and array.size and array.dtype != bool:
            values = jax.device_get(array)
            if not (values.min() >= low and values.max() <= high):
                raise ValueError(f"plan's {name} must be in [{low}, {high}], got {values.min()} to {values.max()}.")
    return plan


def check_batch(x: Any, y: Any, other: tuple[Any, Any] | None, partner: str | ArrayLike) -> int:
    """Return the length of x; check that y and, unless `partner` is integers, the other batch have the same length."""
    size = _length("x", x)
    for name, tree in (("y", y), ("other", other if isinstance(partner, str) else None)):
        if (name == "y" or tree is not None) and _length(name, tree) != size:
            raise ValueError(f"x and {name} must have the same length, got {size} and {_length(name, tree)}.")
    return size


def refuse_lists(tree: Any, size: int) -> None:
    """Raise ValueError for a list of `size` arrays, which may be the examples of a batch rather than leaves."""
    for node in jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, list)):
        alike = isinstance(node, list) and len({str(jax.tree.map(jnp.shape, each)) for each in node}) == 1
        if alike and len(node) == size:
            raise ValueError(f"got a list of {size} arrays, as many as examples: jnp.stack it, or make it a tuple.")


def _check_options(size: int, alpha: Any, per: str, partner: Any, block: int | None) -> tuple[int, int]:
    """Validate the options of `draw`; return the number of examples in the batch and in a block."""
    for name, count in (("size", size), ("block", size if block is None else block)):
        if getattr(count, "shape", ()) != () or not hasattr(count, "__index__"):
            raise TypeError(f"{name} must be a number of examples, got {describe(count)}: draw(rng, len(x), alpha).")
    size = int(size)
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}: an empty batch cannot be mixed.")
    if per not in PER or (per == "block" and block is None):
        raise ValueError(f"per must be one of {', '.join(PER)}, the second with a block, got {per!r}.")
    if not isinstance(partner, str):
        given, partner = partner, jnp.asarray(partner)
        if partner.shape != (size,) or not jnp.issubdtype(partner.dtype, jnp.integer):
            raise ValueError(f"partner must be integers of shape ({size},), got {describe(partner)}.")
        if block and size % block == 0 and not isinstance(given, Tracer):
            with jax.ensure_compile_time_eval():
                own, run = (jnp.asarray(each, jnp.int32) // block for each in (given, range(size)))
                if not jnp.array_equal(own, run):
                    raise ValueError(f"partner must keep to the runs of {block} examples that block asks for.")
    elif partner not in PARTNERS:
        raise ValueError(f"partner must be one of {', '.join(PARTNERS)}, got {partner!r}.")
    kind = getattr(alpha, "dtype", type(alpha))
    if kind not in (int, float) and not (jnp.issubdtype(kind, jnp.integer) or jnp.issubdtype(kind, jnp.floating)):
        raise TypeError(f"alpha must be a number, got {alpha!r}.")
    if jnp.ndim(alpha) != 0:
        raise ValueError(f"alpha must be a scalar, got shape {jnp.shape(alpha)}; vmap over several values.")
    if not isinstance(alpha, Tracer) and not 0 <= float(alpha) < 3e38:  # of float32
        raise ValueError(f"alpha must be a finite number >= 0 (0 is ERM), got {alpha}.")
    block_size = size if block is None else block
    if block_size < 1 or size % block_size:
        raise ValueError(f"block must divide the batch, got block {block} and a batch of {size}.")
    if isinstance(partner, str) and partner == "derangement" and block_size < 2:
        raise ValueError(f"partner 'derangement' needs at least 2 examples to choose from, got {block_size}.")
    return size, block_size


def _length(name: str, tree: Any) -> int:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
    if not shapes or () in shapes or 0 in shapes[0][:1]:
        raise ValueError(f"{name} must hold arrays with a batch axis, which is not empty, got shapes {shapes}.")
    return shapes[0][0]


def describe(value: Any) -> str:
    """Describe an argument in an error: ``float32[8,10]``, or its type."""
    array = hasattr(value, "shape") and hasattr(value, "dtype")
    return f"{value.dtype}[{','.join(map(str, value.shape))}]" if array else type(value).__name__
