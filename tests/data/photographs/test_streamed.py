"""Laws of streamed examples: a function of seed and position, whoever decodes them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from experiments.imagenet.archives import photograph
from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.on_host import augment_on_host
from mixup_jax.choices import BigVisionRandAugment, RandAugment, ThreeAugment
from mixup_jax.data.photographs.crops import random_crop
from mixup_jax.data.photographs.jpeg import decode_part
from mixup_jax.data.photographs.streamed import EvaluationRows, Photograph, StreamedDataset, TrainingRows, batches

BATCH, TRAIN, TEST = 4, 10, 6


class InMemory:
    """Photographs by number; it can be sent to other processes."""

    def __init__(self, first, count):
        self.first, self.count = first, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return Photograph(f"{self.first + index}.JPEG", self.first + index, photograph(index % 3, self.first + index))


DATA = StreamedDataset(
    "some", "SYNTHETIC", tuple(map(str, range(99))), InMemory(0, TRAIN), InMemory(50, TEST), (0.5,) * 3, (0.2,) * 3, 16
)


def take(rows, start, count, **options):
    """Return the first batches from `start` on."""
    iterator = batches(rows, start, **{"workers": 0, "threads": 1} | options)
    try:
        return [next(iterator) for _ in range(count)]
    finally:
        iterator.close()


def assert_equal(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def everything(seed=0, data=DATA):
    return rows_of_seed(range(BATCH), seed, data)


def rows_of_seed(rows, seed=0, data=DATA):
    return TrainingRows(data, BATCH, tuple((seed, row) for row in rows))


@pytest.fixture(scope="module")
def first_batches():
    return take(everything(), 0, 6)


def test_every_image_is_seen_once_an_epoch_and_every_epoch_has_its_order(first_batches):
    labels = np.concatenate([batch["label"] for batch in first_batches])
    first, second = labels[:TRAIN], labels[TRAIN : 2 * TRAIN]
    assert sorted(first) == sorted(second) == list(range(TRAIN))
    assert first.tolist() != second.tolist()
    images = np.concatenate([batch["image"] for batch in first_batches])
    again = TRAIN + second.tolist().index(first[0])
    assert (images[0] != images[again]).any()  # another part of the same photograph
    assert (images.dtype, images.shape[1:]) == (np.uint8, (16, 16, 3))


def test_seeds_differ(first_batches):
    (other,) = take(everything(seed=1), 0, 1)
    assert other["label"].tolist() != first_batches[0]["label"].tolist()


def test_a_stream_entered_at_a_step_gives_what_it_gives_from_the_start(first_batches):
    assert_equal(take(everything(), 3, 3), first_batches[3:])


def test_the_number_of_threads_changes_nothing(first_batches):
    assert_equal(take(everything(), 0, 6, threads=3), first_batches)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(first_batches, workers):
    assert_equal(take(everything(), 0, 6, workers=workers), first_batches)


@pytest.mark.parametrize("rows", [(0, 1), (2, 3), (1,), (3, 0)])
def test_a_process_decodes_its_rows_of_the_same_batches(first_batches, rows):
    mine = take(rows_of_seed(rows), 2, 2)
    assert_equal(mine, [{name: batch[name][list(rows)] for name in batch} for batch in first_batches[2:4]])


def test_rows_of_several_seeds_are_those_of_each_seed_alone(first_batches):
    (together,) = take(TrainingRows(DATA, BATCH, ((7, 1), (0, 2), (7, 3), (0, 0))), 2, 1)
    alone = {0: first_batches[2], 7: take(everything(7), 2, 1)[0]}
    for index, (seed, row) in enumerate([(7, 1), (0, 2), (7, 3), (0, 0)]):
        for name, array in together.items():
            np.testing.assert_array_equal(array[index], alone[seed][name][row])


def test_parts_of_the_fixed_order_are_disjoint_and_together_all():
    parts = [replace(DATA, train_start=start, train_count=count) for start, count in ((0, 3), (3, 4), (7, TRAIN - 7))]
    assert sorted(np.concatenate([part.labels_of_files() for part in parts])) == list(range(TRAIN))
    assert replace(DATA, train_start=7, train_count=0).train_count == TRAIN - 7
    with pytest.raises(ValueError, match="train_examples"):
        replace(DATA, train_start=7, train_count=TRAIN)


def test_given_labels_take_the_place_of_those_of_the_files_wherever_a_training_example_is_seen():
    part = replace(DATA, train_start=3, train_count=5, flip=False, crop="centre")
    given = part.labels_of_files()[::-1].copy()
    relabelled = replace(part, train_label=given)
    assert [int(relabelled.clean_example(index)["label"]) for index in range(5)] == given.tolist()
    of_image = {relabelled.clean_example(index)["image"].tobytes(): given[index] for index in range(5)}
    for position in range(15):
        example = relabelled.train_example(0, position)
        assert example["label"] == of_image[example["image"].tobytes()]
    assert relabelled.test_example(0)["label"] == DATA.test_example(0)["label"]
    assert relabelled.identity() != part.identity()
    with pytest.raises(ValueError, match="train_label holds 5; it must hold 4"):
        replace(relabelled, train_count=4)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_every_test_image_is_seen_once_on_any_number_of_processes(processes):
    labels = []
    for process in range(processes):
        share = BATCH // processes
        rows = EvaluationRows(DATA, "test", range(TEST), BATCH, tuple(range(process * share, (process + 1) * share)))
        for batch in take(rows, 0, 2):
            labels += batch["label"][batch["mask"]].tolist()
            assert not batch["image"][~batch["mask"]].any()
    assert sorted(labels) == list(range(50, 50 + TEST))


def test_without_random_crops_and_mirroring_a_photograph_is_seen_as_it_is_tested():
    data = replace(DATA, crop="centre", flip=False)
    seen = {example["image"].tobytes() for example in map(partial(data.train_example, 3), range(data.train_count))}
    assert seen == {data.clean_example(index)["image"].tobytes() for index in range(data.train_count)}


def test_without_mirroring_only_crops_are_drawn():
    plain = everything(data=replace(DATA, flip=False))
    both = [np.concatenate([batch["image"] for batch in take(rows, 0, 10)]) for rows in (plain, everything())]
    mirrored = [(one != other).any() for one, other in zip(*both, strict=True)]
    assert 10 < sum(mirrored) < 30
    for one, other in zip(*both, strict=True):
        assert (one == other).all() or (one == other[:, ::-1]).all()


def test_a_part_of_the_training_set_is_the_same_in_every_run():
    labels = set()
    for seed in (0, 1):
        few = everything(seed, replace(DATA, train_count=5))
        seen = np.concatenate([batch["label"] for batch in take(few, 0, 5)])
        assert sorted(seen[:5]) == sorted(seen[5:10])
        labels.add(tuple(sorted(set(seen.tolist()))))
    assert len(labels) == 1
    for count in (-1, TRAIN + 1):
        with pytest.raises(ValueError, match="train_examples must be between 1 and 10"):
            replace(DATA, train_count=count)


TWICE = replace(DATA, repeats=2)


@pytest.fixture(scope="module")
def repeated():
    return take(everything(data=TWICE), 0, 5)  # two epochs


def test_repeated_augmentation_shows_each_photograph_of_a_batch_so_often_each_time_another_part(repeated):
    for batch in repeated:
        first, second = np.split(batch["label"], 2)
        assert first.tolist() == second.tolist()
        assert len(set(first.tolist())) == 2
        first, second = np.split(batch["image"], 2)
        assert (first != second).any((1, 2, 3)).all()


def test_with_repeats_an_epoch_sees_a_part_of_the_photographs_and_the_next_ones_the_others(repeated):
    labels = np.concatenate([batch["label"] for batch in repeated])
    assert len(set(labels[:TRAIN].tolist())) == TRAIN // 2 + 1  # the half batch at its end begins with new ones
    assert sorted(labels) == sorted([*range(TRAIN)] * 2)
    order = [label for batch in take(everything(), 0, 3) for label in batch["label"]][:TRAIN]
    assert np.concatenate([batch["label"][: BATCH // 2] for batch in repeated]).tolist() == order


def test_repeats_hold_from_any_step_on_for_any_rows_and_threads(repeated):
    assert_equal(take(everything(data=TWICE), 3, 2, threads=3), repeated[3:])
    for rows in ((0, 1), (2, 3), (3, 0)):
        mine = take(rows_of_seed(rows, data=TWICE), 1, 3)
        assert_equal(mine, [{name: batch[name][list(rows)] for name in batch} for batch in repeated[1:4]])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_repeats_are_the_same_with_any_number_of_workers(repeated, workers):
    assert_equal(take(everything(data=TWICE), 0, 5, workers=workers), repeated)


def test_repeats_that_do_not_divide_the_batch_show_each_photograph_as_often_some_in_two_batches():
    rows = everything(data=replace(DATA, repeats=3))
    labels = [int(rows[index]["label"]) for index in range(3 * 2 * TRAIN)]  # twice each of two epochs' orders
    assert sorted(labels) == sorted([*range(TRAIN)] * 6)
    assert all(len(set(labels[start : start + 2])) == 2 for start in range(0, len(labels), BATCH))


@pytest.mark.parametrize("change", [{"crop": "tensorflow"}, {"interpolation": "bicubic"}])
def test_the_form_of_the_crop_and_the_interpolation_change_the_images_only(first_batches, change):
    (other,) = take(everything(data=replace(DATA, **change)), 0, 1)
    np.testing.assert_array_equal(other["label"], first_batches[0]["label"])
    assert (other["image"] != first_batches[0]["image"]).any((1, 2, 3)).all()


def test_what_is_evaluated_has_its_own_size_and_share_and_the_training_does_not_change(first_batches):
    data = replace(DATA, test_size=24, test_crop=1.0)
    assert_equal(take(everything(data=data), 0, 1), first_batches[:1])
    rows = EvaluationRows(data, "test", range(TEST), BATCH, tuple(range(BATCH)))
    assert [batch["image"].shape for batch in take(rows, 0, 2)] == [(BATCH, 24, 24, 3)] * 2
    whole, part = (replace(data, test_crop=share).test_example(0)["image"] for share in (1.0, 0.5))
    assert (whole != part).any()
    assert data.clean_example(0)["image"].shape == (24, 24, 3)


def test_an_unreadable_image_is_named(monkeypatch):
    broken = Photograph("n01440764_7.JPEG", 0, photograph(0, 0)[:300])
    monkeypatch.setattr(InMemory, "__getitem__", lambda self, index: broken)
    with pytest.raises(ValueError, match=r"some: n01440764_7.JPEG cannot be read .*--skip-bad"):
        take(everything(), 0, 1)


def test_pictures_show_different_classes():
    image, label = DATA.one_of_each(4)
    assert image.shape == (4, 16, 16, 3)
    assert len(set(label.tolist())) == 4


@pytest.mark.thorough
@pytest.mark.parametrize("augment", [RandAugment(), BigVisionRandAugment(), ThreeAugment()], ids=lambda each: each.name)
def test_augmented_examples_are_functions_of_seed_and_position_too(augment):
    plain = [DATA.train_example(0, position) for position in range(2 * BATCH)]
    rows = everything(data=replace(DATA, augment=augment, color_jitter=0.3))
    found = take(rows, 0, 2, threads=3)
    assert_equal(take(rows, 1, 1), found[1:])
    image, label = (np.concatenate([batch[name] for batch in found]) for name in ("image", "label"))
    assert label.tolist() == [example["label"] for example in plain]
    stages = stages_of(augment, 0.3, (16, 16), DATA.mean)
    assert all((image != example["image"]).any() for image, example in zip(image, plain, strict=True))
    for position, example in enumerate(plain):  # crop and mirror are drawn first, and are those of no augmentation
        generator = np.random.default_rng((0, position))
        photograph = DATA.train[int(label[position])]
        decode_part(photograph.encoded, lambda *size, drawn=generator: random_crop(drawn, *size), 16)
        generator.random()
        np.testing.assert_array_equal(augment_on_host(generator, example["image"], stages), image[position])
