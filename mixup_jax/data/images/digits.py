"""Handwritten digits (Alpaydin and Kaynak, 1998), 8x8, from scikit-learn: nothing is downloaded."""

import numpy as np

from mixup_jax.data.dataset import Dataset, pixel_statistics


def load_digits() -> Dataset:
    """Load the 1,797 grey images, with 17 levels scaled to 0..255; every fifth image of a class is a test image.

    >>> data = load_digits()
    >>> data.train_image.shape, data.test_image.shape, data.mark
    ((1442, 8, 8, 1), (355, 8, 8, 1), 'REAL')
    """
    from sklearn import datasets  # here: it takes a second

    pixels, target = datasets.load_digits(return_X_y=True)
    image = np.round(np.asarray(pixels).reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    label = np.asarray(target).astype(np.int32)
    test = np.zeros(len(label), bool)
    for digit in range(10):
        test[np.flatnonzero(label == digit)[4::5]] = True
    mean, std = pixel_statistics(image[~test])
    classes = tuple(str(digit) for digit in range(10))
    return Dataset("digits", "REAL", classes, image[~test], label[~test], image[test], label[test], mean, std)
