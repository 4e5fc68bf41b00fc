"""A validation set that is held out of the training set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixup_jax.data.dataset import Dataset, pixel_statistics
from mixup_jax.data.photographs.files import photograph_statistics
from mixup_jax.data.photographs.streamed import Photograph, Photographs, StreamedDataset, labels_of

SEED = 2
"""Of the order that says which examples are held out: the same for every run."""


@dataclass(frozen=True)
class Chosen:
    """Some of several photographs, by number; picklable, for other processes."""

    photographs: Photographs
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Photograph:
        return self.photographs[int(self.numbers[index])]

    @property
    def labels(self) -> np.ndarray:
        """Return the class ids, int32; see `labels_of`."""
        return labels_of(self.photographs)[self.numbers]


def hold_out(data: Dataset | StreamedDataset, validation: float) -> Dataset | StreamedDataset:
    """Hold `validation` training examples out, a count, or a share where it is below 1; 0 holds out none.

    Which ones is a function of the number of training examples alone, not of any seed. The others keep their order.
    Mean and deviation become those of the others, where they were those of the training images; constants that are
    published with a data set stay.

    Raises ValueError for data that have a validation set, and where one of the two would be empty.

    >>> from mixup_jax.data import load
    >>> held = hold_out(load("digits"), 0.1)
    >>> held.train_count, held.valid_count, held.test_count
    (1298, 144, 355)
    """
    if not validation:
        return data
    if data.valid_count:
        raise ValueError(f"{data.name} has a validation set of {data.valid_count:,}: leave --validation out.")
    valid, train = held_out(data.train_count, validation)
    if not len(valid) or not len(train):
        raise ValueError(
            f"validation must leave examples for both sets, got {validation:g} of {data.train_count:,} of {data.name}."
        )
    if isinstance(data, StreamedDataset):
        parts = Chosen(data.train, train), Chosen(data.train, valid)
        kept = replace(data, train=parts[0], valid=parts[1], train_count=0)
        mean, std = photograph_statistics(kept, len(valid)) if data.measured else (data.mean, data.std)
        return replace(kept, mean=mean, std=std)
    image, label = data.train_image, data.train_label
    kept = replace(data, train_image=image[train], train_label=label[train])
    measured = (data.mean, data.std) == pixel_statistics(image)
    mean, std = pixel_statistics(kept.train_image) if measured else (data.mean, data.std)
    return replace(kept, valid_image=image[valid], valid_label=label[valid], mean=mean, std=std)


def held_out(count: int, validation: float) -> Sequence[np.ndarray]:
    """Return the numbers of the examples that are held out of `count`, and those of the others, both ascending.

    >>> [numbers.tolist() for numbers in held_out(5, 2)]
    [[2, 4], [0, 1, 3]]
    """
    size = round(validation * count) if validation < 1 else int(validation)
    order = np.random.RandomState(SEED).permutation(count)
    return np.sort(order[:size]), np.sort(order[size:])
