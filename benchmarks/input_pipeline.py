"""Input pipeline: photographs of 500 x 375 pixels and 100 kB in a folder, to batches of random parts of 224 x 224.

Once on one core, by processor time of the whole process, so that neither threads nor other work on the machine count;
and on all cores by the clock, as trainings use them. The photographs are windows of scikit-learn's two.
"""

import io
import os
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, add_installed, as_in_runs, repeated, take_turns
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs.crops import AREA, ASPECT, random_crop
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.streamed import TrainingRows, batches, cores

FILES, BATCH, SIZE, QUALITY = 64, 32, 224, 97
LIMIT, OURS, OPENCV = "simplejpeg, whole image, nothing else", "this project: folder:PATH", "OpenCV, no batches"
TENSORFLOW, TORCH = "tf.data, fused decode and crop", "torch DataLoader, torchvision"


def measure(effort: Effort) -> list[Table]:
    """Measure on one core and on all."""
    files = photographs(16 if effort == QUICK else FILES)
    with TemporaryDirectory() as folder:
        for index, content in enumerate(files):
            path = Path(folder, f"class {index % 2}", f"{index}.jpg")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return [one_core(Path(folder), files, effort), all_cores(Path(folder), effort)]


def one_core(root: Path, files: list[bytes], effort: Effort) -> Table:
    """Compare pipelines that do not work ahead: its time would be counted as somebody else's."""
    generator, forever = np.random.default_rng(0), cycle(files)
    runs: dict[str, Steps] = {
        LIMIT: repeated(lambda: [simplejpeg.decode_jpeg(next(forever)) for _ in range(BATCH)]),
        OURS: from_batches(from_folder(root, 0)),
        OPENCV: repeated(lambda: [by_opencv(next(forever), generator) for _ in range(BATCH)]),
    }
    missing = add_installed(
        runs,
        {
            TENSORFLOW: lambda: from_batches(by_tensorflow(files)),
            TORCH: lambda: from_batches(by_image_folder(root, 0)),
        },
    )
    timings = {name: timing.of_processor() for name, timing in take_turns(runs, effort).items()}
    rows = [
        (name, timing.rate(BATCH), timing.over(timings[OURS]), timings[LIMIT].over(timing))
        for name, timing in timings.items()
    ]
    text = (
        f"{len(files)} photographs, {sum(map(len, files)) / len(files) / 1000:.0f} kB on average, in the system's "
        "cache. Processor time, one thread each. OpenCV decodes, cuts and scales; it makes no batches, and it and "
        "tf.data are given the files in memory. The limit is simplejpeg decoding whole photographs and nothing else; "
        f"who leaves out what is cut away may be faster.{missing}"
    )
    return Table("Input pipeline", ("", "images/s and core", "its time over ours", "share of the limit"), rows, text)


def all_cores(root: Path, effort: Effort) -> Table:
    """Compare batches for training from a folder of one's own, by the clock."""
    runs: dict[str, Steps] = {OURS: from_batches(from_folder(root, cores()))}
    missing = add_installed(runs, {TORCH: lambda: from_batches(by_image_folder(root, cores()))})
    timings = take_turns(runs, as_in_runs(effort), pause=1.0)
    rows = [(name, timing.rate(BATCH), timing.over(timings[OURS])) for name, timing in timings.items()]
    text = (
        f"The same photographs, as `--dataset folder:PATH --image-size {SIZE}` reads them: random parts of "
        f"{SIZE} x {SIZE}, mirrored, batches of {BATCH}, by wall clock on {cores()} cores. Ours decodes in threads, "
        "ahead by a batch for each core; so does the DataLoader, a worker a core, started before the clock."
    )
    return Table("Your own photographs", ("", "images/s", "its time over ours"), rows, text + missing)


def photographs(count: int) -> list[bytes]:
    """Return JPEGs of windows of 500 x 375 pixels."""
    generator, files = np.random.default_rng(0), []
    for index in range(count):
        pixels = load_sample_images().images[index % 2]
        top, left = (int(generator.integers(0, side + 1)) for side in (427 - 375, 640 - 500))
        buffer = io.BytesIO()
        Image.fromarray(pixels[top : top + 375, left : left + 500]).save(buffer, "JPEG", quality=QUALITY)
        files.append(buffer.getvalue())
    return files


def from_batches(iterator: Iterator[Any]) -> Steps:
    """Take batches from a pipeline."""
    return repeated(partial(next, iterator))


def from_folder(root: Path, threads: int) -> Iterator[Any]:
    """Return the batches that a training on a folder takes."""
    data = load_photographs(root, Pictures(size=SIZE, split=(0.5, 0.5)))
    return batches(TrainingRows(data, BATCH, tuple((0, row) for row in range(BATCH))), 0, workers=0, threads=threads)


def by_opencv(content: bytes, generator: np.random.Generator) -> np.ndarray:
    """Decode with OpenCV alone."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    box = random_crop(generator, *pixels.shape[:2])
    part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    return cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def by_image_folder(root: Path, workers: int) -> Iterator[Any]:
    """Return torchvision's way: an ImageFolder over Pillow, and PyTorch's DataLoader."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision import datasets
    from torchvision.transforms import v2

    if not workers:
        torch.set_num_threads(1)
    parts = v2.Compose([v2.RandomResizedCrop(SIZE), v2.RandomHorizontalFlip(), v2.PILToTensor()])
    folder = datasets.ImageFolder(str(root), parts)
    endless = RandomSampler(folder, replacement=True, num_samples=10**7)
    options: Any = {"prefetch_factor": 1, "multiprocessing_context": "forkserver"} if workers else {}
    return iter(DataLoader(folder, batch_size=BATCH, sampler=endless, num_workers=workers, **options))


def by_tensorflow(files: list[bytes]) -> Iterator[Any]:
    """Return tf.data with its fused decoding, in one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def example(content: Any) -> Any:
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(content),
            tf.zeros((1, 0, 4)),
            aspect_ratio_range=ASPECT,
            area_range=AREA,
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.stack([begin[0], begin[1], size[0], size[1]])
        pixels = tf.image.resize(tf.image.decode_and_crop_jpeg(content, window, channels=3), (SIZE, SIZE))
        return tf.cast(tf.image.random_flip_left_right(pixels), tf.uint8)

    stream = tf.data.Dataset.from_tensor_slices(files).repeat().map(example).batch(BATCH)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    return stream.with_options(options).as_numpy_iterator()
