"""What other implementations compute, in NumPy and float64, for a given lambda and pairing; written from the formulas.

Lambda is always the share that an example keeps of itself; where a library calls the partner's share so, its function
says it. Images are (batch, height, width, channels), labels soft (batch, classes) unless they are ids.
"""

import math

import numpy as np


def released_code(x, lam, index):
    """mixup-cifar10: one lambda, a permutation; the labels stay two lists of ids."""
    return lam * x + (1 - lam) * x[index]


def released_loss(logits, labels, lam, index):
    """mixup-cifar10: one cross-entropy for each parent, each already a mean over the batch."""
    return lam * cross_entropy(logits, labels).mean() + (1 - lam) * cross_entropy(logits, labels[index]).mean()


def released_accuracy(logits, labels, lam, index):
    """mixup-cifar10: the share of correct predictions, each parent counted with its weight."""
    predicted = logits.argmax(axis=1)
    return (lam * (predicted == labels).sum() + (1 - lam) * (predicted == labels[index]).sum()) / len(labels)


def timm_labels(ids, classes, smoothing):
    """timm: smoothed before they are mixed, the mass spread over all classes."""
    soft = np.full((len(ids), classes), smoothing / classes)
    soft[np.arange(len(ids)), ids] += 1 - smoothing
    return soft


def timm_batch(x, lam):
    """timm, mode "batch": one lambda; the batch meets itself reversed."""
    return lam * x + (1 - lam) * x[::-1]


def timm_elem(x, lam):
    """timm, mode "elem": a lambda for each example; the batch meets itself reversed."""
    mixed = np.empty_like(x)
    for i in range(len(x)):
        mixed[i] = lam[i] * x[i] + (1 - lam[i]) * x[len(x) - 1 - i]
    return mixed


def timm_pair(x, lam_of_pair):
    """timm, mode "pair": the first and the last example share a lambda, the second and the last but one, ..."""
    mixed = np.empty_like(x)
    for i, lam in enumerate(lam_of_pair):
        j = len(x) - 1 - i
        mixed[i], mixed[j] = lam * x[i] + (1 - lam) * x[j], lam * x[j] + (1 - lam) * x[i]
    return mixed


def torchvision_mixup(x, lam):
    """torchvision v2: one lambda; each example meets the one before it, the first the last."""
    return np.stack([lam * x[i] + (1 - lam) * x[i - 1] for i in range(len(x))])


def composer_mixup(x, mixing, index):
    """composer: `mixing` is the share of the partner."""
    return (1 - mixing) * x + mixing * x[index]


def composer_loss(logits, labels, mixing, index):
    """composer, interpolate_loss: the partner's loss has the weight `mixing`."""
    return (1 - mixing) * cross_entropy(logits, labels).mean() + mixing * cross_entropy(logits, labels[index]).mean()


def keras_mixup(x, lam, index):
    """Keras: a lambda for each example, a permutation."""
    lam = lam.reshape(-1, *[1] * (x.ndim - 1))
    return lam * x + (1 - lam) * x[index]


def big_vision_mixup(x, lam):
    """big_vision: an example never weighs less than its partner, the one before it."""
    return torchvision_mixup(x, max(lam, 1 - lam))


def timm_box(row, column, lam, size):
    """timm: a box of the whole rounded side, odd ones included: (top, left, bottom, right), clipped."""
    height, width = (int(length * math.sqrt(1 - lam)) for length in size)
    top, left = row - height // 2, column - width // 2
    return clipped(top, left, top + height, left + width, size)


def torchvision_box(row, column, lam, size):
    """torchvision v2: half of the side is rounded, so that boxes have even sides."""
    half_height, half_width = (int(0.5 * math.sqrt(1 - lam) * length) for length in size)
    return clipped(row - half_height, column - half_width, row + half_height, column + half_width, size)


def composer_box(row, column, lam, size):
    """composer and CutMix's own code: half of the rounded side, rounded again."""
    half_height, half_width = (int(length * math.sqrt(1 - lam)) // 2 for length in size)
    return clipped(row - half_height, column - half_width, row + half_height, column + half_width, size)


def clipped(top, left, bottom, right, size):
    """Return the part of a box that is inside of the image."""
    rows, columns = np.clip([top, bottom], 0, size[0]), np.clip([left, right], 0, size[1])
    return int(rows[0]), int(columns[0]), int(rows[1]), int(columns[1])


def cutmix(x, partner, box):
    """Paste a box of the partner; return images and the corrected lambda, the share of the pixels that are left."""
    top, left, bottom, right = box
    mixed = x.copy()
    mixed[:, top:bottom, left:right] = partner[:, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (x.shape[1] * x.shape[2])


def cross_entropy(logits, ids):
    """Return the loss of each example."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(ids)), ids]


def soft_cross_entropy(logits, soft):
    """Return the loss of each example against a soft label."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(soft * log_p).sum(axis=1)
