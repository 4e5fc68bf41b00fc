"""Predictions for JPEG photographs on disk, from the file to the probabilities, beside a PyTorch DataLoader.

    python -m benchmarks.predict            # minutes on two cores; pip install torch timm for the peer

Whole jobs of wall-clock time: a ResNet-18 at 224 on photographs of 500 x 375 pixels, windows of scikit-learn's two. The
weights are random: speed does not depend on them.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import jax.numpy as jnp

from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import compared
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, Steps, Timing, import_torch, spread, take_turns
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
OURS, EXACT = "this project: predict", "the same, resized by Pillow's bicubic filter"
WORKERS, ONE = "torch DataLoader, a worker a core, timm", "torch DataLoader without workers, timm"


def measure(effort: Effort) -> list[Table]:
    """Measure whole jobs in turns."""
    with TemporaryDirectory() as folder:
        return [_table(_files(Path(folder), 4 if effort == QUICK else FILES), effort)]


def _table(files: list[Path], effort: Effort) -> Table:
    batch_size = min(BATCH, len(files))
    runs: dict[str, Steps] = {
        OURS: jobs(ours(files, batch_size, AsInput((SIZE, SIZE, 3), 0.875, "linear", True))),
        EXACT: jobs(ours(files, batch_size, AsInput((SIZE, SIZE, 3), 0.875, "bicubic", True))),
    }
    missing = add_peers(runs, files, batch_size)
    timings = take_turns(runs, effort)
    rows = [(name, rate(timing, len(files)), timing.over(timings[OURS])) for name, timing in timings.items()]
    if WORKERS in timings:
        missing = f"PyTorch's with workers {compared(timings[WORKERS].ratios(timings[OURS]))}."
    text = (
        f"{len(files)} photographs a job, batches of {batch_size}, {cores()} cores, ResNet-18 at {SIZE}, float32. Ours "
        "decodes in threads, no more of a photograph than the centre needs; the DataLoader's workers are started once, "
        f"before the clock, and its photographs are resized linearly by Pillow. {missing}"
    )
    return Table("Predictions for photographs", ("", "images/s", "time over ours"), rows, text.strip())


def add_peers(runs: dict[str, Steps], files: list[Path], batch_size: int) -> str:
    """Add PyTorch's jobs; return why not where it is not installed."""
    if import_torch() is None:
        return NO_TORCH
    try:
        from benchmarks.peers.torch_predict import predictor

        for name, workers in ((WORKERS, cores()), (ONE, 0)):
            runs[name] = jobs(predictor(files, NAME, SIZE, shorter_side(SIZE), batch_size, workers))
    except ImportError as error:
        return f"Not installed: {error.name}."
    return ""


def ours(files: list[Path], batch_size: int, as_input: AsInput) -> Callable[[], int]:
    """Return the job of the command, without the CSV."""
    model = build(ResNet(NAME), CLASSES)
    variables = jax.jit(lambda key: model.init(key, jnp.zeros((1, SIZE, SIZE, 3)), train=False))(jax.random.key(0))
    params, batch_stats = (jax.tree.map(lambda leaf: leaf[None], variables[each]) for each in ("params", "batch_stats"))
    classes = tuple(map(str, range(CLASSES)))
    network = Network(classes, model, params, batch_stats, MEAN, STD, as_input)
    return lambda: sum(not reason for _, _, reason in predictions(network, files, Tally(), batch_size=batch_size))


def jobs(job: Callable[[], int]) -> Steps:
    """Return a contestant whose step is a whole job."""

    def run(count: int) -> None:
        for _ in range(count):
            job()

    return run


def rate(timing: Timing, count: int) -> str:
    """Return images a second."""
    return spread([count / each for each in timing.seconds])


def _files(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{index}.jpg" for index in range(count)]
    for file, content in zip(files, photographs(count), strict=True):
        file.write_bytes(content)
    return files


if __name__ == "__main__":
    alone(measure)
