"""A data set of images or speech for classification, decoded and in memory."""

from dataclasses import dataclass

import numpy as np

from mixup_jax.data.identity import DataIdentity, digest_arrays, identity_of

MARKS = ("REAL", "LOSSY", "SYNTHETIC")
DTYPES = (np.uint8, np.int16, np.float16, np.float32)


@dataclass(frozen=True)
class Dataset:
    """Images, class ids, and the constants that normalise the images.

    `mark` is REAL (the pixels as published), LOSSY (they went through JPEG) or SYNTHETIC; every table shows it.
    Images are (n, height, width, channels): pictures uint8; spectrograms float16 or float32, frequency by time, already
    normalised; waveforms int16 (n, samples, 1, 1). Labels are int32 (n,) with 0 <= label < len(classes).
    The validation set is optional, and never trained on. `corrupted`, bool (n,) or None, marks the training labels that
    were drawn at random. `notes` list the files that were passed over or converted. `mean` and `std` hold one number a
    channel, for pixels in [0, 1]. Arrays may be memory-mapped and read-only.

    Raises ValueError for arrays that do not fit together, and for spectrograms that are not finite.

    >>> pixels, labels = np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1], np.int32)
    >>> data = Dataset("blank", "SYNTHETIC", ("a", "b"), pixels, labels, pixels, labels, (0.0,), (1.0,))
    >>> data.image_shape
    (8, 8, 1)
    """

    name: str
    mark: str
    classes: tuple[str, ...]
    train_image: np.ndarray
    train_label: np.ndarray
    test_image: np.ndarray
    test_label: np.ndarray
    mean: tuple[float, ...]
    std: tuple[float, ...]
    corrupted: np.ndarray | None = None
    valid_image: np.ndarray | None = None
    valid_label: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if self.mark not in MARKS:
            raise ValueError(f"{self.name}: mark is {self.mark!r}; it must be one of {', '.join(MARKS)}")
        if (self.valid_image is None) != (self.valid_label is None):
            raise ValueError(f"{self.name}: valid_image and valid_label must both be given, or neither")
        dtype = self.train_image.dtype
        for part in ("train", "test") if self.valid_image is None else ("train", "valid", "test"):
            image, label = getattr(self, f"{part}_image"), getattr(self, f"{part}_label")
            known = dtype in DTYPES and image.dtype == dtype
            if not known or image.ndim != 4 or image.shape[1:] != self.image_shape or len(image) == 0:
                raise ValueError(
                    f"{self.name}: {part}_image is {image.dtype} {image.shape}; it must be uint8 (or int16, float16, "
                    "float32: speech) (n, height, width, channels) with n > 0, train and test alike"
                )
            if np.issubdtype(dtype, np.floating) and not all(np.isfinite(each).all() for each in image):
                raise ValueError(f"{self.name}: {part}_image holds numbers that are not finite")
            if label.dtype != np.int32 or label.shape != image.shape[:1]:
                raise ValueError(
                    f"{self.name}: {part}_label is {label.dtype} {label.shape}; it must be int32 ({len(image)},)"
                )
            if label.min() < 0 or label.max() >= len(self.classes):
                raise ValueError(
                    f"{self.name}: {part}_label holds {label.min()} to {label.max()}; "
                    f"it must hold 0 to {len(self.classes) - 1}"
                )
        if not len(self.mean) == len(self.std) == self.image_shape[-1]:
            raise ValueError(
                f"{self.name}: mean and std have {len(self.mean)} and {len(self.std)} numbers; "
                f"the images have {self.image_shape[-1]} channels"
            )

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return (height, width, channels)."""
        return self.train_image.shape[1:]

    @property
    def streamed(self) -> bool:
        """Return whether the images stay on disk: no."""
        return False

    def identity(self) -> DataIdentity:
        """Return the identity of the data for the folder of a run; this reads every byte."""
        names = ("train_image", "train_label", "test_image", "test_label", "valid_image", "valid_label")
        return identity_of(self, digest_arrays({name: getattr(self, name) for name in names}))

    @property
    def train_count(self) -> int:
        """Return the number of training images."""
        return len(self.train_label)

    @property
    def test_count(self) -> int:
        """Return the number of test images."""
        return len(self.test_label)

    @property
    def valid_count(self) -> int:
        """Return the number of validation images, 0 without a validation set."""
        return 0 if self.valid_label is None else len(self.valid_label)

    def one_of_each(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first training image of the first `count` classes, and their labels, for pictures."""
        first = [int(np.argmax(self.train_label == label)) for label in np.unique(self.train_label)[:count]]
        return np.asarray(self.train_image[first]), np.asarray(self.train_label[first])


def as_pictures(image: np.ndarray) -> np.ndarray:
    """Return examples as uint8 pictures; spectrograms share a grey scale and have low frequencies at the bottom.

    >>> as_pictures(np.array([[1.0], [3.0]], np.float16).reshape(1, 2, 1, 1)).ravel().tolist()
    [255, 0]
    """
    if image.dtype == np.uint8:
        return np.asarray(image)
    image = image[:, ::-1].astype(np.float32)
    low, high = float(image.min()), float(image.max())
    return np.round(255 * (image - low) / ((high - low) or 1.0)).astype(np.uint8)


def pixel_statistics(image: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and population standard deviation of each channel of uint8 images, for pixels in [0, 1].

    They are exact up to the last division for any number of images. A constant channel has the deviation 1, so that
    normalising it gives 0.

    >>> pixel_statistics(np.array([0, 255, 0, 255], np.uint8).reshape(4, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    return statistics_of(pixel_counts(image))


def pixel_counts(image: np.ndarray) -> np.ndarray:
    """Count the values of each channel of uint8 images (n, height, width, channels): int64 (channels, 256)."""
    channels = image.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(image), 1000):  # bincount widens its input to 64 bits: a piece at a time
        pixels = np.asarray(image[start : start + 1000]).reshape(-1, channels)
        for channel in range(channels):
            counts[channel] += np.bincount(pixels[:, channel], minlength=256)
    return counts


def statistics_of(counts: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel, as `pixel_statistics`, of what `pixel_counts` counted."""
    mean, std = [], []
    for count in counts.tolist():  # Python's integers: no overflow and no rounding
        total = sum(count)
        first = sum(value * n for value, n in enumerate(count))
        second = sum(value * value * n for value, n in enumerate(count))
        mean.append(first / (255 * total))
        std.append((total * second - first * first) ** 0.5 / (255 * total) or 1.0)
    return tuple(mean), tuple(std)
