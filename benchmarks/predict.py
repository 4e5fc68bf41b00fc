"""Predictions for JPEG photographs on disk, from the file to the probabilities, beside a PyTorch DataLoader.

Whole jobs of wall-clock time: a ResNet-18 at 224 on photographs of 500 x 375 pixels, windows of scikit-learn's two. The
weights are random: speed does not depend on them.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, add_installed, repeated, take_turns
from benchmarks.input_pipeline import photographs
from experiments.predict.images import predictions
from mixup_jax.choices.networks import ResNet
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.as_input import AsInput
from mixup_jax.data.photographs.crops import shorter_side
from mixup_jax.data.photographs.streamed import cores
from mixup_jax.models import build
from mixup_jax.network import BATCH, Network

FILES, SIZE, CLASSES, NAME = 64, 224, 1000, "resnet18"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OURS, PEER = "this project: predict", "torch DataLoader, a worker a core, timm"


def measure(effort: Effort) -> list[Table]:
    """Measure whole jobs in turns."""
    count = 4 if effort == QUICK else FILES
    batch_size = min(BATCH, count)
    with TemporaryDirectory() as folder:
        files = [Path(folder, "photographs", f"{index}.jpg") for index in range(count)]
        files[0].parent.mkdir()
        for file, content in zip(files, photographs(count), strict=True):
            file.write_bytes(content)
        runs = {OURS: ours(files, batch_size)}
        missing = add_installed(runs, {PEER: lambda: in_torch(Path(folder), batch_size)})
        timings = take_turns(runs, effort)
    rows = [(name, timing.rate(count), timing.over(timings[OURS])) for name, timing in timings.items()]
    text = (
        f"{count} photographs a job, batches of {batch_size}, {cores()} cores, ResNet-18 at {SIZE}, float32. Ours "
        "decodes in threads, no more of a photograph than the centre needs; the DataLoader's workers are started once, "
        f"before the clock, and its photographs are resized linearly by Pillow.{missing}"
    )
    return [Table("Predictions for photographs", ("", "images/s", "its time over ours"), rows, text)]


def ours(files: list[Path], batch_size: int) -> Steps:
    """Return the job of the command, without the CSV."""
    model = build(ResNet(NAME), CLASSES)
    variables = jax.jit(lambda key: model.init(key, jnp.zeros((1, SIZE, SIZE, 3)), train=False))(jax.random.key(0))
    params, batch_stats = (jax.tree.map(lambda leaf: leaf[None], variables[each]) for each in ("params", "batch_stats"))
    as_input = AsInput((SIZE, SIZE, 3), 0.875, "linear", True)
    network = Network(tuple(map(str, range(CLASSES))), model, params, batch_stats, MEAN, STD, as_input)
    return repeated(lambda: sum(1 for _ in predictions(network, files, Tally(), batch_size=batch_size)))


def in_torch(root: Path, batch_size: int) -> Steps:
    """Return the job the way people write it; workers are spawned, not forked: this process has threads."""
    import timm  # pyright: ignore[reportMissingImports]
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    network = timm.create_model(NAME, num_classes=CLASSES).eval()
    to_input = [transforms.Resize(shorter_side(SIZE)), transforms.CenterCrop(SIZE), transforms.ToTensor()]
    folder = datasets.ImageFolder(str(root), transforms.Compose([*to_input, transforms.Normalize(MEAN, STD)]))
    options: Any = {"num_workers": cores(), "multiprocessing_context": "spawn", "persistent_workers": True}
    loader = DataLoader(folder, batch_size, **options)

    @torch.inference_mode()
    def predict() -> int:
        return sum(len(network(batch).softmax(1).numpy()) for batch, _ in loader)

    return repeated(predict)
