"""Laws of the table of nearest neighbours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.methods import neighbour_table


def by_hand(features, k, labels=None):
    """The k nearest in float64; equally distant examples in the order of their index."""
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    distance = ((flat[:, None] - flat[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    if labels is not None:
        distance[labels[:, None] != labels[None]] = np.inf
    return np.argsort(distance, axis=1, kind="stable")[:, :k]


@pytest.fixture
def images():
    """40 images, some of them equal."""
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3), dtype=np.uint8)
    images[7] = images[30] = images[3]
    return images


LABELS = np.arange(40) % 3


@pytest.mark.thorough
@pytest.mark.parametrize("block", [1, 7, 40, 1000])
@pytest.mark.parametrize("labels", [None, LABELS])
def test_the_table_is_that_of_a_full_search_whatever_the_block(images, block, labels):
    table = neighbour_table(images, 6, labels, block=block)
    assert table.dtype == jnp.int32
    np.testing.assert_array_equal(table, by_hand(images, 6, labels))


@pytest.mark.parametrize("labels", [None, LABELS])
def test_floating_point_features_are_searched_too(rng, labels):
    features = jax.random.normal(rng, (40, 17))
    np.testing.assert_array_equal(neighbour_table(features, 5, labels, block=16), by_hand(features, 5, labels))


def test_an_offset_that_all_features_share_does_not_blur_their_distances(rng):
    steps = np.random.default_rng(0).integers(-50, 50, (40, 8))  # 1000 + step / 64 is exact in float32
    np.testing.assert_array_equal(neighbour_table(1000 + steps / np.float32(64), 3), by_hand(steps, 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e20])
def test_features_without_distances_are_refused_where_each_example_would_be_its_own_neighbour(bad):
    with pytest.raises(ValueError, match="features must be finite"):
        neighbour_table(np.float32([[0, 1], [bad, 2], [3, 4], [5, 6]]), 2)


def test_distances_of_pixels_are_exact_where_float32_would_round():
    images = np.zeros((3, 3000), np.uint8)
    images[1:, 1:] = 200  # squared distances near 2**27, of which float32 knows every eighth
    images[1, 0] = 1  # one longer
    np.testing.assert_array_equal(neighbour_table(images, 2)[0], [2, 1])


def test_equally_distant_neighbours_come_in_the_order_of_their_index():
    same = np.zeros((300, 4), np.uint8)
    np.testing.assert_array_equal(neighbour_table(same, 5), by_hand(same, 5))
    np.testing.assert_array_equal(neighbour_table(same.astype(np.float32), 5), by_hand(same, 5))


def test_no_distance_is_too_long():
    images = np.zeros((3, 2**15 - 1), np.uint8)
    images[1] = 255
    images[2] = 254
    np.testing.assert_array_equal(neighbour_table(images, 2), [[2, 1], [2, 0], [1, 0]])


def test_a_class_too_small_is_filled_with_the_example_itself_where_labels_are_traced(images):
    labels = jnp.array([0, 1, 0, 0])
    table = jax.jit(lambda labels: neighbour_table(images[[0, 1, 2, 4]], 2, labels))(labels)
    assert table[1].tolist() == [1, 1]
    assert sorted(table[0].tolist()) == [2, 3]


BAD_CALLS = [
    (lambda x: neighbour_table(x, 40), ValueError, r"k must be .* got 40 and uint8\[40,5,5,3\]"),
    (lambda x: neighbour_table(x, 0), ValueError, r"k must be .* got 0"),
    (lambda x: neighbour_table(x.astype(np.int32), 3), TypeError, r"features must be uint8 or floating-point"),
    (lambda x: neighbour_table(np.float32(3), 3), ValueError, r"k must be"),
    (lambda x: neighbour_table(x, 3, block=0), ValueError, "block must be at least 1, got 0"),
    (lambda x: neighbour_table(x, 3, LABELS[:5]), ValueError, r"labels must be \(40,\)"),
    (lambda x: neighbour_table(x, 3, LABELS / 2), TypeError, r"labels must be integers"),
    (lambda x: neighbour_table(x, 13, LABELS), ValueError, "k is 13, but class 1 has 13 examples"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument(images, call, error, message):
    with pytest.raises(error, match=message):
        call(images)
