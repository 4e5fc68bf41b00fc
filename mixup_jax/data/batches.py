"""Which images make up a batch: a function of (key, step), with no state to save.

Epoch e visits the n images in the order ``permutation(fold_in(rng, e), n)``. The orders of all epochs are laid end to
end, and step s takes the positions ``[s * batch_size, (s + 1) * batch_size)`` of that stream. Every batch is full and
every image is seen exactly k times in k epochs.

`batch_indices` is that definition for one step. A program of many steps computes two epochs' orders once and slices:

    order, first_epoch = two_epochs(rng, step, batch_size, n)
    for s in range(step, step + count):        # while count * batch_size <= n; or a lax.scan
        index = take_indices(order, first_epoch, s, batch_size)

With repeated augmentation the images of such a batch, a smaller one, are laid out several times: `repeat_indices`.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, Int32, Key

Step = int | Int[Array, ""]


def epoch_order(rng: Key[Array, ""], epoch: Step, n: int) -> Int32[Array, "n"]:
    """Return the order in which epoch `epoch` (0, 1, ...; may be traced) visits `n` images.

    >>> epoch_order(jax.random.key(0), 0, 5).tolist() == epoch_order(jax.random.key(0), 1, 5).tolist()
    False
    """
    return jax.random.permutation(jax.random.fold_in(rng, epoch), jnp.arange(n, dtype=jnp.int32))


def two_epochs(
    rng: Key[Array, ""], step: Step, batch_size: int, n: int, count: Step | None = None
) -> tuple[Int32[Array, "_"], Int32[Array, ""]]:
    """Return the orders of the epoch in which `step` begins and of the next, end to end (2n,), and that first epoch.

    They hold what `take_indices` needs for `step` and the steps after it whose positions stay within the two epochs,
    the next ``n // batch_size`` steps at least. `step` may be traced; ``(step + 1) * batch_size`` must stay below
    2**31. Where only `count` steps will be taken (may be traced) and they end within the first epoch, the second order
    is not drawn, but for a copy of the first in its place: a permutation is a sort, slow on a CPU.

    Raises ValueError unless ``1 <= batch_size <= n``.

    >>> order, first_epoch = two_epochs(jax.random.key(0), 7, batch_size=2, n=4)
    >>> order.shape, int(first_epoch)
    ((8,), 3)
    """
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size is {batch_size}; it must be between 1 and the {n} images of an epoch")
    first_epoch = _position(step, batch_size) // n
    first = epoch_order(rng, first_epoch, n)
    if count is None:
        second = epoch_order(rng, first_epoch + 1, n)
    else:
        reached = _position(step, batch_size) - first_epoch * n + _position(count, batch_size) > n
        second = jax.lax.cond(reached, lambda: epoch_order(rng, first_epoch + 1, n), lambda: first)
    return jnp.concatenate([first, second]), first_epoch


def take_indices(
    order: Int32[Array, "positions"], first_epoch: Step, step: Step, batch_size: int
) -> Int32[Array, "batch"]:
    """Return the indices of the images of `step`, given the result of `two_epochs` for this or an earlier step.

    The step's positions must lie within `order`: a slice outside of it is moved inside without a word, as a traced
    step cannot raise.

    >>> order, first_epoch = two_epochs(jax.random.key(0), 0, batch_size=3, n=4)
    >>> order[3:6].tolist() == take_indices(order, first_epoch, 1, 3).tolist()
    True
    """
    start = _position(step, batch_size) - jnp.asarray(first_epoch, jnp.int32) * (order.shape[0] // 2)
    return jax.lax.dynamic_slice(order, (start,), (batch_size,))


def batch_indices(rng: Key[Array, ""], step: Step, batch_size: int, n: int) -> Int32[Array, "batch"]:
    """Return the indices into `n` images of the batch of `step` (may be traced).

    Raises ValueError unless ``1 <= batch_size <= n``.

    >>> seen = [int(i) for step in range(3) for i in batch_indices(jax.random.key(0), step, 2, 3)]
    >>> sorted(seen)  # two epochs
    [0, 0, 1, 1, 2, 2]
    """
    order, first_epoch = two_epochs(rng, step, batch_size, n)
    return take_indices(order, first_epoch, step, batch_size)


def repeat_indices(index: Int32[Array, "images"], repeats: int) -> Int32[Array, "batch"]:
    """Lay the images of a batch out `repeats` times, one after the other: each is augmented once in every copy.

    Repeated augmentation (Berman et al., arXiv 1902.05509). Copies of an image lie as far apart as there are images: a
    run of rows that is no longer holds none twice.

    >>> repeat_indices(jnp.array([7, 3], jnp.int32), 3).tolist()
    [7, 3, 7, 3, 7, 3]
    """
    return jnp.tile(index, repeats)


def _position(step: Step, batch_size: int) -> Int32[Array, ""]:
    """Return the first position of a step in the stream of all epochs."""
    return jnp.asarray(step, jnp.int32) * jnp.int32(batch_size)
