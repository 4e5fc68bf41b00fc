"""mixup of a batch: ours against the released formula in PyTorch, timm, torchvision and Keras."""

import os
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, add_installed, repeated, take_turns
from mixup_jax import mixup

CLASSES, PASS = 10, "a pass by XLA: x * 1.5"
OURS, EACH = "ours: jit(mixup), alpha = 1", "ours, a lambda for each example"
KERAS = "Keras's"
SIZES = {"small images": (128, 64), "ImageNet's": (64, 224)}
QUICK_SIZES = {"small images": (64, 32)}
Batch = tuple[np.ndarray, np.ndarray]


def in_jax(function: Any, batch: Batch) -> Steps:
    """Return a compiled function of a key, images and one-hot labels."""
    x, ids = batch
    return repeated(partial(jax.jit(function), jax.random.key(0), jax.device_put(x), jax.nn.one_hot(ids, CLASSES)))


def tensors(batch: Batch) -> Any:
    """Return images with channels first, as PyTorch has them, and class ids."""
    import torch

    return torch.tensor(np.moveaxis(batch[0], -1, 1).copy()), torch.tensor(batch[1]).long()


def released(batch: Batch) -> Steps:
    """Return the formula of the released code in PyTorch: one lambda, a permutation, two sets of labels."""
    import torch

    generator, (x, y) = np.random.default_rng(0), tensors(batch)

    def mixed() -> tuple:
        lam, index = generator.beta(1.0, 1.0), torch.randperm(len(x))
        return lam * x + (1 - lam) * x[index], y, y[index], lam

    return repeated(mixed)


def in_timm(batch: Batch) -> Steps:
    """Return timm's; it mixes with the batch turned around, in place."""
    from timm.data.mixup import Mixup

    return repeated(partial(Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=CLASSES), *tensors(batch)))


def in_torchvision(batch: Batch) -> Steps:
    """Return torchvision's; it mixes with the batch rolled by one."""
    from torchvision.transforms import v2

    return repeated(partial(v2.MixUp(alpha=1.0, num_classes=CLASSES), *tensors(batch)))


def in_keras(batch: Batch) -> Steps:
    """Return Keras's, on JAX where no other backend was chosen; a lambda for each example."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    x, y = (keras.ops.convert_to_tensor(each) for each in (batch[0], np.eye(CLASSES, dtype=np.float32)[batch[1]]))
    return repeated(partial(keras.layers.MixUp(alpha=1.0), {"images": x, "labels": y}, training=True))


PEERS = {
    "released formula, PyTorch": released,
    "timm's": in_timm,
    "torchvision's": in_torchvision,
    KERAS: in_keras,
}


def measure(effort: Effort) -> list[Table]:
    """Measure every size of batch."""
    return [table(name, *size, effort) for name, size in (QUICK_SIZES if effort == QUICK else SIZES).items()]


def table(name: str, size: int, side: int, effort: Effort) -> Table:
    """Measure one size of batch."""
    x = np.random.default_rng(0).normal(size=(size, side, side, 3)).astype(np.float32)
    batch = x, np.arange(size) % CLASSES
    runs = {
        PASS: in_jax(lambda rng, x, y: (x * 1.5, y * 1.5), batch),
        OURS: in_jax(partial(mixup, alpha=1.0), batch),
        EACH: in_jax(partial(mixup, alpha=1.0, per="example"), batch),
    }
    missing = add_installed(runs, {title: partial(make, batch) for title, make in PEERS.items()})
    timings = take_turns(runs, effort, pause=0.05)
    rows = []
    for title, timing in timings.items():
        over = timing.over(timings[EACH if title == KERAS else OURS]) if title in PEERS else ""
        rows.append((title, timing.ms(), over, timing.over(timings[PASS])))
    text = (
        f"{size} images of {side} x {side} x 3, float32: {x.nbytes / 2**20:.0f} MiB. Mixing must read every image and "
        "write every image, which is one pass, as long as the partners, which are the same images, are still in a "
        "cache when they are read a second time; 1.5 passes if not. Labels and the draw of lambda and partners are "
        "included. PyTorch is eager, on all cores, with channels first; timm's mixes in place, with the batch turned "
        "around; Keras's is called as a layer is, not compiled, and draws a lambda for each example, as the one of "
        f"ours does that it is compared with.{missing}"
    )
    return Table(f"Mixing a batch: {name}", ("", "ms", "its time over ours", "passes"), rows, text)
