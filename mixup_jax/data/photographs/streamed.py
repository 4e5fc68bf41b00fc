"""A data set that does not fit into memory: its photographs are decoded during the training.

An example is a function of the seed and of its position in the stream of all epochs, step times batch size plus row; it
does not depend on the process that decodes it.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, lru_cache, partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from mixup_jax.augment.drawn import Stage, stages_of
from mixup_jax.choices.augment import Augment, NoAugment
from mixup_jax.data.identity import DataIdentity, digest_arrays, identity_of
from mixup_jax.data.photographs.crops import TEST_CROP, Crop, Interpolation, centre_crop, distorted_crop, random_crop

SUBSET_SEED = 0
CROPS: dict[Crop, Any] = {"torchvision": random_crop, "tensorflow": distorted_crop}
Example = dict[str, Any]


class Photograph(NamedTuple):
    """An image file as it was published."""

    name: str
    label: int
    encoded: bytes


@runtime_checkable
class Photographs(Protocol):
    """Photographs by number, in any order."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Photograph: ...


@dataclasses.dataclass(frozen=True)
class StreamedDataset:
    """A data set whose photographs stay on disk: the counterpart of `Dataset`.

    `train`, `test` and `valid` hold image files and class ids; they are decoded to uint8 (size, size, 3), those that
    are evaluated to (test_size, test_size, 3). The training photographs have a fixed random order, in which those that
    are trained on are `train_count` in a row: a sample of all classes.
    """

    name: str
    mark: str
    classes: tuple[str, ...]
    train: Photographs
    test: Photographs
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int = 224
    flip: bool = True
    augment: Augment = dataclasses.field(default_factory=NoAugment)
    color_jitter: float = 0.0
    train_count: int = 0
    """Number of training photographs to use; 0 becomes all."""
    train_start: int = 0
    """Place of the first of them in the fixed order."""
    train_label: np.ndarray | None = None
    """Their labels, int32, where these are not those of their files."""
    corrupted: np.ndarray | None = None
    """Which of these were drawn at random, bool (train_count,)."""
    part: bool = False
    """Whether photographs of the published data set are missing: results are not comparable with the published."""
    digest: str = ""
    """`identity.digest_files` of the files with the photographs."""
    crop: Crop = "torchvision"
    interpolation: Interpolation = "linear"
    test_size: int | None = None
    """Side of the images that are evaluated; None is `size`."""
    test_crop: float = TEST_CROP
    repeats: int = 1
    """How often a training batch holds each of its photographs; see `place_in_orders`."""
    measured: bool = False
    """Whether `mean` and `std` are those of the training photographs, no published constants."""
    decode: Callable[..., np.ndarray] | None = None
    """``decode(encoded, choose, size, interpolation)`` in place of `jpeg.decode_part`: photographs that are no JPEG."""
    valid: Photographs | None = None
    """The validation set, where there is one: never trained on."""
    left_out: str = ""
    """How many files were left out because they cannot be read, where any were."""
    notes: tuple[str, ...] = ()
    """What was passed over or is converted."""

    def __post_init__(self) -> None:
        for part, photographs in (("train", self.train), ("test", self.test)):
            if not len(photographs):
                raise ValueError(f"{self.name}: {part} holds no photographs")
        if self.train_count == 0:
            object.__setattr__(self, "train_count", len(self.train) - self.train_start)
        if not 1 <= self.train_count <= len(self.train) - self.train_start:
            raise ValueError(f"train_examples must be between 1 and {len(self.train)}, got {self.train_count}.")

        for name, array in (("train_label", self.train_label), ("corrupted", self.corrupted)):
            if array is not None and len(array) != self.train_count:
                raise ValueError(f"{self.name}: {name} holds {len(array)}; it must hold {self.train_count}.")

    @property
    def test_count(self) -> int:
        """Return the number of test photographs."""
        return len(self.test)

    @property
    def valid_count(self) -> int:
        """Return the number of validation photographs, 0 without a validation set."""
        return 0 if self.valid is None else len(self.valid)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return (height, width, channels)."""
        return self.size, self.size, 3

    @property
    def test_shape(self) -> tuple[int, ...]:
        """Return (height, width, channels) of the images that are evaluated."""
        return self.test_size or self.size, self.test_size or self.size, 3

    @property
    def streamed(self) -> bool:
        """Return whether the images stay on disk: yes."""
        return True

    def identity(self) -> DataIdentity:
        """Return the identity of the data for the folder of a run."""
        digests = {"files": self.digest} | ({"left_out": self.left_out} if self.left_out else {})
        return identity_of(self, digests | digest_arrays({"train_label": self.train_label}))

    @cached_property
    def _mixed(self) -> np.ndarray:
        order = np.random.RandomState(SUBSET_SEED).permutation(len(self.train))
        return order[self.train_start : self.train_start + self.train_count]

    def labels_of_files(self) -> np.ndarray:
        """Return the class ids of the training examples as their files have them, int32 (train_count,)."""
        return labels_of(self.train)[self._mixed]

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        return stages_of(self.augment, self.color_jitter, (self.size, self.size), self.mean)

    def train_example(self, seed: int, position: int, place: int | None = None) -> Example:
        """Return the training example at a position: a crop of a photograph, mirrored and augmented.

        `place` says which photograph: its place in the orders of all epochs, laid end to end; `position` if left out.
        """
        from mixup_jax.augment.on_host import augment_on_host
        from mixup_jax.data.photographs.jpeg import mirror

        epoch, index = divmod(position if place is None else place, self.train_count)
        photograph = self._trained_on(int(epoch_order(seed, epoch, self.train_count)[index]))
        generator = np.random.default_rng((seed, position))
        centre = partial(centre_crop, size=self.size, share=self.test_crop)
        choose = centre if self.crop == "centre" else partial(CROPS[self.crop], generator)
        image = self._decode(photograph, choose, self.size)
        if self.flip and generator.random() < 0.5:
            image = mirror(image)
        image = augment_on_host(generator, image, self._stages)
        return {"image": image, "label": np.int32(photograph.label)}

    def test_example(self, index: int) -> Example:
        """Return a test example: the centre crop."""
        return self._centre(self.test[index])

    def valid_example(self, index: int) -> Example:
        """Return a validation example: the centre crop."""
        assert self.valid is not None
        return self._centre(self.valid[index])

    def clean_example(self, index: int) -> Example:
        """Return a training example without augmentation: the centre crop."""
        return self._centre(self._trained_on(index))

    def one_of_each(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return up to `count` images of different classes and their labels, for pictures."""
        found: dict[int, np.ndarray] = {}
        for index in range(min(10 * count, self.train_count)):
            example = self.clean_example(index)
            found.setdefault(int(example["label"]), example["image"])
        chosen = list(found)[:count]
        return np.array([found[label] for label in chosen]), np.array(chosen, np.int32)

    def _trained_on(self, index: int) -> Photograph:
        photograph = self.train[int(self._mixed[index])]
        return photograph if self.train_label is None else photograph._replace(label=int(self.train_label[index]))

    def _centre(self, photograph: Photograph) -> Example:
        size = self.test_shape[0]
        image = self._decode(photograph, partial(centre_crop, size=size, share=self.test_crop), size)
        return {"image": image, "label": np.int32(photograph.label)}

    def _decode(self, photograph: Photograph, choose: Any, size: int) -> np.ndarray:
        from mixup_jax.data.photographs.jpeg import decode_part

        try:
            return (self.decode or decode_part)(photograph.encoded, choose, size, self.interpolation)
        except ValueError as error:
            again = "start again" if self.decode else "prepare the data again"
            raise ValueError(
                f"{self.name}: {photograph.name} cannot be read ({error}); {again}, with --skip-bad to leave it out"
            ) from error


@dataclasses.dataclass(frozen=True)
class TrainingRows:
    """Some rows of the training batches of one or more seeds: the examples that one process of a run decodes.

    Those of a step come one after the other, as `rows`, (seed, row of the batch), lists them.
    """

    data: StreamedDataset
    batch_size: int
    rows: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> Example:
        step, which = divmod(int(index), len(self.rows))
        seed, row = self.rows[which]
        position = step * self.batch_size + row
        place = place_in_orders(position, self.batch_size, self.data.repeats)
        return self.data.train_example(seed, position, place)


@dataclasses.dataclass(frozen=True)
class EvaluationRows:
    """Some rows of the batches that hold each of some examples once; the rest of the last batch is blank and masked."""

    data: StreamedDataset
    split: str
    """"test", "valid", or "clean": training photographs without augmentation."""
    numbers: Sequence[int] | np.ndarray
    """Which examples of the split, in this order."""
    batch_size: int
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return -(-len(self.numbers) // self.batch_size) * len(self.rows)

    def __getitem__(self, index: int) -> Example:
        batch, row = divmod(int(index), len(self.rows))
        place = batch * self.batch_size + self.rows[row]
        if place >= len(self.numbers):
            blank = {"image": np.zeros(self.data.test_shape, np.uint8), "label": np.int32(0)}
            return blank | {"mask": np.bool_(False)}
        return getattr(self.data, f"{self.split}_example")(int(self.numbers[place])) | {"mask": np.bool_(True)}


def place_in_orders(position: int, batch_size: int, repeats: int) -> int:
    """Return which place in the orders of the epochs the photograph at a position takes, with repeated augmentation.

    Each place is taken `repeats` times in a row, and a batch takes the next `batch_size` of these. It lays them out so
    that copies of a photograph, each with its own crop, are ``batch_size / repeats`` rows apart, rounded: fewer rows in
    a run hold no photograph twice, as in DeiT (arXiv 2012.12877, after 1902.05509) no process does. Where `repeats`
    does not divide the batch (3 and DeiT's 1,024), the copies of one photograph lie in two batches, as there. DeiT
    draws the photographs of an epoch anew from all; here those that an epoch leaves out come next, so that in `repeats`
    epochs each is seen `repeats` times.

    >>> [place_in_orders(position, 6, 2) for position in range(12)]
    [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]
    >>> [place_in_orders(position, 4, 3) for position in range(12)]
    [0, 1, 0, 0, 1, 2, 1, 2, 2, 3, 3, 3]
    """
    step, row = divmod(position, batch_size)
    return (step * batch_size + int(_layout(batch_size, repeats)[row])) // repeats


@lru_cache(maxsize=4)
def _layout(batch_size: int, repeats: int) -> np.ndarray:
    """Return what each row of a batch takes of its `batch_size` copies: first copies first."""
    return np.argsort(np.arange(batch_size) % repeats, kind="stable")


def labels_of(photographs: Photographs) -> np.ndarray:
    """Return the class ids of photographs, int32; every file is read where they are not known without."""
    if isinstance(known := getattr(photographs, "labels", None), np.ndarray):
        return known
    return np.array([photographs[number].label for number in range(len(photographs))], np.int32)


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the order in which an epoch of a seed visits `count` photographs; two a seed are kept for what follows.

    >>> epoch_order(0, 0, 5).tolist() == epoch_order(0, 1, 5).tolist()
    False
    """
    return _orders(seed, count)(epoch)


@cache
def _orders(seed: int, count: int) -> Callable[[int], np.ndarray]:
    # Not Grain's shuffle, which has no table and is slow on small sets: 20 ms for an index of ten.
    @lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(count).astype(np.int32)

    return order


def batches(rows: Any, start: int, *, workers: int, threads: int) -> Iterator[Example]:
    """Iterate over the batches of rows from batch `start` on, decoded ahead; the caller closes the iterator.

    They are decoded by `workers` processes or, if 0, by `threads` threads of this process.
    """
    import grain  # here: it takes half a second

    whole = grain.MapDataset.source(rows).batch(len(rows.rows))[start:]
    if workers == 0:
        return iter(whole.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)))
    from absl import flags

    if not flags.FLAGS.is_parsed():  # Grain's workers take their flags from the parent and fail where it has none
        flags.FLAGS.mark_as_parsed()
    # Batching comes before the workers: after them, batches would depend on their number.
    dealt = whole.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=1))
    return iter(dealt.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=1)))


def cores() -> int:
    """Return the number of cores that this process may use, or that the machine has where that is not known.

    macOS and Windows do not tell the former.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
