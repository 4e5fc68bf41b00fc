"""Laws of the order of images: a batch is a function of (key, step)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import batch_indices

from mixup_jax.steps.train_step import epoch_order
from mixup_jax.training.programs import repeat_indices, take_indices, two_epochs


def stream(rng, steps, batch_size, n):
    step = jax.jit(batch_indices, static_argnums=(2, 3))
    return np.concatenate([step(rng, s, batch_size, n) for s in range(steps)])


@pytest.mark.thorough
@pytest.mark.parametrize(("batch_size", "n"), [(4, 12), (5, 12), (7, 11), (12, 12), (1, 3)])
def test_every_image_is_seen_k_times_in_k_epochs(rng, batch_size, n):
    seen = stream(rng, 3 * n, batch_size, n)[: 3 * n]
    for epoch in range(3):
        assert np.array_equal(np.sort(seen[epoch * n : (epoch + 1) * n]), np.arange(n))


def test_the_orders_of_all_epochs_are_laid_end_to_end(rng):
    orders = np.concatenate([epoch_order(rng, epoch, 11) for epoch in range(4)])
    assert np.array_equal(stream(rng, 6, 7, 11), orders[:42])


def test_epochs_and_keys_differ(rng):
    orders = [epoch_order(rng, 0, 50), epoch_order(rng, 1, 50), epoch_order(jax.random.key(1), 0, 50)]
    assert len({tuple(order.tolist()) for order in orders}) == 3


@pytest.mark.parametrize("first", [0, 1, 2, 9])
def test_steps_sliced_from_two_epochs_are_the_steps_alone(rng, first):
    batch_size, n = 5, 13
    order, first_epoch = two_epochs(rng, first, batch_size, n)
    for step in range(first, first + n // batch_size + 1):
        assert np.array_equal(
            take_indices(order, first_epoch, step, batch_size), batch_indices(rng, step, batch_size, n)
        )


def test_a_scan_with_a_traced_start_is_the_loop(rng):
    @jax.jit
    def chunk(start):
        order, first_epoch = two_epochs(rng, start, 4, 10)
        return jax.lax.scan(lambda s, _: (s + 1, take_indices(order, first_epoch, s, 4)), start, length=3)[1]

    for start in (0, 1, 2, 7):
        assert np.array_equal(chunk(start), [batch_indices(rng, start + i, 4, 10) for i in range(3)])


def test_a_call_that_says_where_it_ends_takes_the_same_images_and_draws_one_order_where_one_is_enough(rng):
    chunk = jax.jit(lambda start, count: two_epochs(rng, start, 4, 10, count))
    for start, count, orders in ((0, 2, 1), (0, 3, 2), (1, 1, 1), (2, 1, 2), (5, 2, 1), (7, 1, 2), (7, 3, 2)):
        order, first_epoch = chunk(start, count)
        assert np.array_equal(order[:10], order[10:]) == (orders == 1)
        for step in range(start, start + count):
            assert np.array_equal(take_indices(order, first_epoch, step, 4), batch_indices(rng, step, 4, 10))


def test_seed_i_of_a_vmap_is_seed_i_alone(rng):
    keys = jax.random.split(rng, 3)
    many = jax.vmap(lambda key: batch_indices(key, 3, 4, 10))(keys)
    for key, one in zip(keys, many, strict=True):
        assert np.array_equal(one, batch_indices(key, 3, 4, 10))


def test_positions_of_a_long_run_do_not_overflow(rng):
    """300 epochs of ImageNet are 3.8e8 positions."""
    n, batch_size = 1000, 128
    step = 400_000_000 // batch_size
    position = step * batch_size
    order = np.concatenate([epoch_order(rng, position // n + i, n) for i in range(2)])
    start = position % n
    result = batch_indices(rng, jnp.int32(step), batch_size, n)
    assert result.dtype == jnp.int32
    assert np.array_equal(result, order[start : start + batch_size])


def test_repeated_images_fill_the_batch_each_as_often_and_as_far_apart(rng):
    index = batch_indices(rng, 3, 4, 10)
    repeated = repeat_indices(index, 3)
    assert np.array_equal(np.bincount(repeated, minlength=10), 3 * np.bincount(index, minlength=10))
    assert all(len(set(repeated[start : start + 4].tolist())) == 4 for start in range(9))
    assert np.array_equal(repeat_indices(index, 1), index)


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_that_does_not_fit_an_epoch_is_refused(rng, batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; it must be between 1 and the 10 images"):
        batch_indices(rng, 0, batch_size, 10)
