"""Random training labels, by the rule of Zhang et al. (2017), which the paper adapts (section 3.4)."""

import numpy as np


def corrupt_labels(label: np.ndarray, rate: float, classes: int, seed: int = 12345) -> tuple[np.ndarray, np.ndarray]:
    """Replace a share `rate` of class ids by classes drawn uniformly, the true one included.

    Returns the labels, int32 (n,), and the mask of the labels that were drawn, bool (n,). With 10 classes a tenth of
    them keeps its true label: 20, 50 and 80 % are 18, 45 and 72 % wrong labels. The draws are made by NumPy's legacy
    generator in the order of the original code, so the corrupted set is the same on every machine and version.

    Raises ValueError for a rate outside [0, 1] or NaN, fewer than one class, or labels that are no class ids.

    >>> noisy, mask = corrupt_labels(np.zeros(1000, np.int32), 0.5, classes=10)
    >>> int(mask.sum()), int((noisy != 0).sum())
    (494, 460)
    """
    label = np.asarray(label)
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate is {rate}; the share of corrupted labels must be between 0 and 1")
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(f"label is {label.dtype} {label.shape}; corrupt_labels needs integer class ids (n,)")
    if classes < 1 or (label.size and not 0 <= label.min() <= label.max() < classes):
        raise ValueError(f"classes is {classes}; the labels hold {label.min(initial=0)} to {label.max(initial=0)}")
    generator = np.random.RandomState(seed)  # the legacy generator, but not its global state
    # `<=` as in the original; a draw of exactly 0 would corrupt a label at rate 0.
    mask = (generator.rand(len(label)) <= rate) & (rate > 0)
    noisy = label.astype(np.int32)
    noisy[mask] = generator.choice(classes, mask.sum())
    return noisy, mask
