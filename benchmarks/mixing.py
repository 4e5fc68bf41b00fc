"""mixup of a batch: ours against the released formula in PyTorch, timm, torchvision and Keras.

python -m benchmarks.mixing
"""

import os
import warnings
from collections.abc import Iterable
from functools import partial
from statistics import median
from typing import Any

import jax
import numpy as np

from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import compared
from benchmarks.harness.turns import QUICK, Effort, Steps, Timing, digits, import_torch, spread, take_turns
from benchmarks.limits import CORES, copy
from mixup_jax import draw, mix, mixup

CLASSES, PASS, COPY = 10, "a pass by XLA: x * 1.5", "a copy by NumPy"
OURS, EACH = "ours: jit(mixup), alpha = 1", "ours, a lambda for each example"
DRAW, MIX = "of which: the draw alone", "of which: mixing with a plan drawn before"
KERAS = "Keras's"
SIZES = {"small images": (128, 64), "ImageNet's": (64, 224)}
QUICK_SIZES = {"small images": (64, 32)}
Batch = tuple[np.ndarray, np.ndarray]


def in_jax(function: Any, batch: Batch, first: Any) -> Steps:
    """Return a compiled function of `first`, images and one-hot labels, called again and again."""
    x, ids = batch
    arguments = first, jax.device_put(x), jax.nn.one_hot(ids, CLASSES)
    compiled = jax.jit(function)

    def run(count: int) -> None:
        for _ in range(count):
            result = compiled(*arguments)
        jax.block_until_ready(result)

    return run


def released(torch: Any, batch: Batch) -> Steps:
    """Return the formula of the released code in PyTorch: one lambda, a permutation, two sets of labels."""
    generator, (x, y) = np.random.default_rng(0), tensors(torch, batch)

    def run(count: int) -> None:
        for _ in range(count):
            lam, index = generator.beta(1.0, 1.0), torch.randperm(len(x))
            _ = lam * x + (1 - lam) * x[index], y, y[index], lam

    return run


def peer(function: Any, *arguments: Any) -> Steps:
    """Return somebody else's function, called again and again."""

    def run(count: int) -> None:
        for _ in range(count):
            jax.block_until_ready(function(*arguments))  # of results that are not JAX's it is no wait at all

    return run


def tensors(torch: Any, batch: Batch) -> Any:
    """Return images with channels first, as PyTorch has them, and class ids."""
    return torch.tensor(np.moveaxis(batch[0], -1, 1).copy()), torch.tensor(batch[1]).long()


def peers(batch: Batch) -> tuple[dict[str, Steps], list[str]]:
    """Return what others have and is installed, and the names of what is not."""
    runs, missing, torch = {}, [], import_torch()
    if torch:
        runs["released formula, PyTorch"] = released(torch, batch)
    for name, make in (("timm", in_timm), ("torchvision", in_torchvision), (KERAS[:-2], in_keras)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runs[f"{name}'s"] = make(torch, batch)
        except (ImportError, RuntimeError):  # a torchvision built for another PyTorch raises the second
            missing.append(name)
    return runs, missing if torch else ["PyTorch", *missing]


def in_timm(torch: Any, batch: Batch) -> Steps:
    """Return timm's; it mixes with the batch turned around, in place."""
    from timm.data.mixup import Mixup

    x, y = tensors(torch, batch)
    return peer(Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=CLASSES), x, y)


def in_torchvision(torch: Any, batch: Batch) -> Steps:
    """Return torchvision's; it mixes with the batch rolled by one."""
    from torchvision.transforms import v2

    x, y = tensors(torch, batch)
    return peer(v2.MixUp(alpha=1.0, num_classes=CLASSES), x, y)


def in_keras(torch: Any, batch: Batch) -> Steps:
    """Return Keras's, on JAX where no other backend was chosen; a lambda for each example."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    x, y = (keras.ops.convert_to_tensor(each) for each in (batch[0], np.eye(CLASSES, dtype=np.float32)[batch[1]]))
    return peer(partial(keras.layers.MixUp(alpha=1.0), training=True), {"images": x, "labels": y})


def measure(effort: Effort) -> list[Table]:
    """Measure every size of batch."""
    sizes = QUICK_SIZES if effort == QUICK else SIZES
    return [table(name, *size, effort) for name, size in sizes.items()]


def table(name: str, size: int, side: int, effort: Effort) -> Table:
    """Measure one size of batch."""
    x = np.random.default_rng(0).normal(size=(size, side, side, 3)).astype(np.float32)
    batch, rng = (x, np.arange(size) % CLASSES), jax.random.key(0)
    others, missing = peers(batch)
    runs: dict[str, Steps] = {
        COPY: copy(x.nbytes, CORES),
        PASS: in_jax(lambda rng, x, y: (x * 1.5, y * 1.5), batch, rng),
        OURS: in_jax(partial(mixup, alpha=1.0), batch, rng),
        DRAW: in_jax(lambda rng, x, y: draw(rng, size, 1.0), batch, rng),
        MIX: in_jax(lambda plan, x, y: mix(plan, (x, y)), batch, draw(rng, size, 1.0)),
        EACH: in_jax(partial(mixup, alpha=1.0, per="example"), batch, rng),
        **others,
    }
    timings = take_turns(runs, effort, pause=0.05)
    rows = []
    for title, timing in timings.items():
        share = "" if title == DRAW else spread([100 / each for each in timing.ratios(timings[COPY])])
        rows.append((title, timing.ms(), timing.over(timings[PASS]), share))
    text = (
        f"{beside_ours(timings, others)}{size} images of {side} x {side} x 3, float32: {x.nbytes / 2**20:.0f} MiB. "
        "Mixing must read every image and "
        "write every image, which is one pass, as long as the partners, which are the same images, are still in a "
        "cache when they are read a second time; 1.5 passes if not. Labels and the draw of lambda and partners are "
        "included. PyTorch is eager, on all cores, with channels first; timm's mixes in place, with the batch turned "
        "around; Keras's is called as a layer is, not compiled, and draws a lambda for each example. The "
        "copy writes where it wrote before, a piece for each core, handed to a thread by Python; all others but timm's "
        "get new memory for each result. Where the copy takes longer than the pass, the pass is the limit."
        + (f" Not installed: {', '.join(missing)}." if missing else "")
    )
    return Table(f"Mixing a batch: {name}", ("", "ms", "passes", "% of the speed of a copy"), rows, text)


def beside_ours(timings: dict[str, Timing], others: Iterable[str]) -> str:
    """Say how ours compares with a pass, and each of the others with ours of the same kind."""
    ours, drawing, mixing = (digits(median(timings[name].ratios(timings[PASS]))) for name in (OURS, DRAW, MIX))
    sentences = [
        f"Ours takes {ours} passes, each of which reads the batch and writes one; the draw alone takes {drawing}, "
        f"mixing with a plan drawn before {mixing}."
    ]
    for name in others:
        same = timings[EACH if name == KERAS else OURS]
        sentences.append(f"{name[0].upper()}{name[1:]} {compared(timings[name].ratios(same))}.")
    return " ".join([*sentences, ""])


if __name__ == "__main__":
    alone(measure)
