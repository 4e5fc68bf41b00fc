"""Laws of the validation set: never trained on, the same for every seed, and what is left keeps its order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import DATA

from experiments.imagenet.archives import photograph
from mixup_jax.choices import Data
from mixup_jax.data.dataset import pixel_statistics
from mixup_jax.data.held_out import held_out, hold_out
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs.streamed import EvaluationRows, Photograph, StreamedDataset
from mixup_jax.data.sources import open_data, prepare

PHOTOGRAPHS = [Photograph(f"{n}.JPEG", n % 2, photograph(n % 2, n)) for n in range(12)]
STREAM = StreamedDataset(
    "some", "SYNTHETIC", ("a", "b"), PHOTOGRAPHS[:10], PHOTOGRAPHS[10:], (0.5,) * 3, (0.2,) * 3, 16
)


@given(st.integers(2, 300), st.floats(0.01, 0.99))
def test_the_two_sets_are_disjoint_and_together_all(count, share):
    valid, train = held_out(count, share)
    assert sorted([*valid, *train]) == list(range(count))
    assert len(valid) == round(share * count)
    assert list(train) == sorted(train)


def test_images_in_memory_are_held_out_and_the_rest_keeps_its_order():
    held = hold_out(DATA, 8)
    assert (held.train_count, held.valid_count, held.test_count) == (40, 8, DATA.test_count)
    valid, train = held_out(DATA.train_count, 8)
    np.testing.assert_array_equal(held.train_image, DATA.train_image[train])
    np.testing.assert_array_equal(held.valid_image, DATA.train_image[valid])
    np.testing.assert_array_equal(held.valid_label, DATA.train_label[valid])
    assert held.identity() != hold_out(DATA, 9).identity() != DATA.identity()
    first, _ = prepare(held, Data("digits", train_examples=5))  # of those that are left
    np.testing.assert_array_equal(first.train_image, DATA.train_image[train[:5]])


def test_what_is_held_out_has_no_part_in_mean_and_deviation():
    measured = replace(DATA, **dict(zip(("mean", "std"), pixel_statistics(DATA.train_image), strict=True)))
    held = hold_out(measured, 8)
    assert (held.mean, held.std) == pixel_statistics(held.train_image) != (measured.mean, measured.std)
    published = replace(DATA, mean=(0.25,), std=(0.5,))
    assert (hold_out(published, 8).mean, hold_out(published, 8).std) == (published.mean, published.std)


def test_photographs_that_are_held_out_have_no_part_in_mean_and_deviation(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part, count in (("train", 12), ("test", 4)):
        for number in range(count):
            path = tmp_path / f"data/{part}/{number % 2}/{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photograph(number % 2, number))
    whole = open_data(f"folder:{tmp_path / 'data'}", pictures=Pictures(size=16))
    for held in (hold_out(whole, 5), hold_out(whole, 5), hold_out(whole, 3)):  # measured, read again, another number
        images = np.stack([held.clean_example(index)["image"] for index in range(held.train_count)]) / 255
        np.testing.assert_allclose(held.mean, images.mean((0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(held.std, images.std((0, 1, 2)), rtol=1e-12)
        assert held.mean != whole.mean
    assert hold_out(STREAM, 3).mean == STREAM.mean


def test_photographs_are_held_out_and_each_is_evaluated_once():
    held = hold_out(STREAM, 0.3)
    trained = {held.train[index].name for index in range(len(held.train))}
    assert held.train_count == len(trained) == 7
    names = {held.valid[index].name for index in range(held.valid_count)}
    assert trained | names == {each.name for each in PHOTOGRAPHS[:10]}
    rows = EvaluationRows(held, "valid", range(held.valid_count), 2, (0, 1))
    examples = [rows[index] for index in range(len(rows))]
    assert [bool(each["mask"]) for each in examples] == [True, True, True, False]
    np.testing.assert_array_equal(examples[0]["image"], held.valid_example(0)["image"])


@pytest.mark.parametrize("data", [DATA, STREAM])
def test_what_leaves_one_of_them_empty_and_a_second_validation_set_are_refused(data):
    for validation in (1e-6, 0.999, 48, 1000):
        with pytest.raises(ValueError, match="validation must leave examples for both sets"):
            hold_out(data, validation)
    with pytest.raises(ValueError, match="has a validation set of 2: leave --validation out"):
        hold_out(hold_out(data, 2), 2)
    assert hold_out(data, 0) is data


def test_an_option_that_cannot_hold_anything_out_is_refused():
    for validation in (1.5, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="validation must be a whole number of images, or a share"):
            Data(validation=validation)
    with pytest.raises(ValueError, match="validation is for images"):
        Data("fsdd", validation=5.0)
    with pytest.raises(ValueError, match="does nothing beside the second share"):
        replace(Data("folder:x"), split=(0.5, 0.25, 0.25), validation=3.0)
