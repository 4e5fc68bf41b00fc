"""Input pipeline: photographs of 500 x 375 pixels and 110 kB to random parts of 224 x 224, images a second and core.

    python -m benchmarks.input_pipeline            # a minute of a core; pip install torch tensorflow-cpu for peers

Processor time of the whole process, so that neither threads nor other work on the machine count. The photographs are
windows of scikit-learn's two.
"""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import compared
from benchmarks.harness.turns import QUICK, Effort, Steps, Timing, as_in_runs, import_torch, spread, take_turns
from mixup_jax.data.images.layouts import Pictures
from mixup_jax.data.photographs.crops import AREA, ASPECT, random_crop
from mixup_jax.data.photographs.files import load_photographs
from mixup_jax.data.photographs.jpeg import decode_part
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset, TrainingRows, batches, cores

FILES, BATCH, SIZE, QUALITY = 64, 32, 224, 97
LIMIT, OURS = "simplejpeg, whole image, nothing else", "this project: Grain, batches"
FOLDER, LOADER = "this project: folder:PATH", "torch DataLoader, a worker a core, torchvision"
PEERS = ("tf.data, fused decode and crop, batches", "torch DataLoader, Pillow, batches", "Pillow", "OpenCV")


def measure(effort: Effort) -> list[Table]:
    """Measure decoders and pipelines in turns."""
    import_torch()
    files = photographs(16 if effort == QUICK else FILES)
    runs: dict[str, Steps] = {
        LIMIT: for_each(files, lambda content, _: simplejpeg.decode_jpeg(content)),
        OURS: from_batches(ours(files)),
        "its decoder alone": for_each(files, lambda content, g: decode_part(content, chooser(g), SIZE)),
        "OpenCV": for_each(files, by_opencv),
        "Pillow": for_each(files, by_pillow),
    }
    missing = []
    for name, make in (
        ("tf.data, fused decode and crop, batches", by_tensorflow),
        ("torch DataLoader, Pillow, batches", by_torch),
    ):
        try:
            runs[name] = from_batches(make(files))
        except ImportError as error:
            missing.append(f"{name}: {error}")
    timings = take_turns(runs, effort)
    rows = [(name, rate(timing), timings[LIMIT].processor_over(timing)) for name, timing in timings.items()]
    peers = [name for name in PEERS if name in timings]
    best = min(peers, key=lambda name: float(np.median(timings[name].processor)))
    ratio = timings[best].processor_over(timings[OURS])
    text = (
        f"{len(files)} photographs, {sum(map(len, files)) / len(files) / 1000:.0f} kB on average. Processor "
        f"time, one thread each. Ours is {ratio} times as fast as the best other ({best}). Pillow and OpenCV alone "
        "decode, cut and scale; they make no batches. The limit is simplejpeg decoding whole photographs and nothing "
        "else; who leaves out what is cut away may be faster. "
        f"{'Not installed and left out: ' + '; '.join(missing) if missing else ''}"
    )
    table = Table("Input pipeline", ("", "images/s and core", "share of the limit"), rows, text.strip())
    return [table, own_photographs(files, effort)]


def own_photographs(files: list[bytes], effort: Effort) -> Table:
    """Measure batches for training from a folder of one's own: from the disk, mirrored, on all cores, by the clock."""
    with TemporaryDirectory() as folder:
        for index, content in enumerate(files):
            path = Path(folder, "photographs", f"class {index % 2}", f"{index}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        runs: dict[str, Steps] = {FOLDER: from_batches(from_folder(path.parents[1]))}
        try:
            runs[LOADER] = from_batches(by_image_folder(path.parents[1]))
            missing = ""
        except ImportError as error:
            missing = f" Not installed and left out: {error.name}."
        timings = take_turns(runs, as_in_runs(effort), pause=1.0)
    rows = [
        (name, spread([BATCH / each for each in timing.seconds]), timing.over(timings[FOLDER]))
        for name, timing in timings.items()
    ]
    said = f"PyTorch's {compared(timings[LOADER].ratios(timings[FOLDER]))}. " if LOADER in timings else ""
    text = (
        f"{said}{len(files)} photographs in a folder for each class, as `--dataset folder:PATH --image-size {SIZE}` "
        f"reads them: random parts of {SIZE} x {SIZE}, mirrored, batches of {BATCH}, by wall clock on {cores()} cores, "
        "all files in the system's cache. Ours decodes in threads, ahead by a batch for each core; so does the "
        "DataLoader, whose workers are started before the clock."
    )
    return Table("Your own photographs", ("", "images/s", "time over ours"), rows, text + missing)


def from_folder(root: Path) -> Iterator[Any]:
    """Return the batches that a training on a folder takes."""
    data = load_photographs(root, Pictures(size=SIZE, split=(0.5, 0.5)))
    return batches(TrainingRows(data, BATCH, tuple((0, row) for row in range(BATCH))), 0, workers=0, threads=cores())


def by_image_folder(root: Path) -> Iterator[Any]:
    """Return torchvision's way: an ImageFolder, a DataLoader with a worker for each core."""
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision import datasets
    from torchvision.transforms import v2

    parts = v2.Compose([v2.RandomResizedCrop(SIZE), v2.RandomHorizontalFlip(), v2.PILToTensor()])
    folder = datasets.ImageFolder(str(root), parts)
    endless = RandomSampler(folder, replacement=True, num_samples=10**7)
    options: Any = {"num_workers": cores(), "prefetch_factor": 1, "multiprocessing_context": "forkserver"}
    return iter(DataLoader(folder, batch_size=BATCH, sampler=endless, **options))


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


def rate(timing: Timing) -> str:
    """Return images a second of processor time."""
    return spread([BATCH / each for each in timing.processor])


def for_each(files: list[bytes], work: Callable[[bytes, np.random.Generator], Any]) -> Steps:
    """Do something with one file after the other; a step is as many as a batch has."""
    generator, at = np.random.default_rng(0), iter(range(2**62))

    def run(count: int) -> None:
        for _ in range(count * BATCH):
            work(files[next(at) % len(files)], generator)

    return run


def from_batches(iterator: Iterator[Any]) -> Steps:
    """Take batches from a pipeline that does not work ahead: its time would be counted as somebody else's."""

    def run(count: int) -> None:
        for _ in range(count):
            next(iterator)

    return run


def chooser(generator: np.random.Generator) -> Callable[[int, int], Any]:
    """Return the choice of a random part."""
    return lambda height, width: random_crop(generator, height, width)


class InMemory:
    """Photographs that need not be read."""

    def __init__(self, files: list[bytes]):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Photograph:
        return Photograph(str(index), 0, self.files[index])


def ours(files: list[bytes]) -> Iterator[Any]:
    """Return the pipeline that trains, in this thread."""
    source = InMemory(files)
    data = StreamedDataset("photographs", "REAL", ("one",), source, source, (0.5,) * 3, (0.2,) * 3, SIZE)
    return batches(TrainingRows(data, BATCH, tuple((0, row) for row in range(BATCH))), 0, workers=0, threads=0)


def by_opencv(content: bytes, generator: np.random.Generator) -> np.ndarray:
    """Decode with OpenCV alone."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    box = random_crop(generator, *pixels.shape[:2])
    part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    return cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def by_pillow(content: bytes, generator: np.random.Generator) -> np.ndarray:
    """Decode with Pillow, as torchvision does."""
    picture = Image.open(io.BytesIO(content))
    box = random_crop(generator, picture.height, picture.width)
    corners = (box.left, box.top, box.left + box.width, box.top + box.height)
    return np.asarray(picture.convert("RGB").crop(corners).resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def by_torch(files: list[bytes]) -> Iterator[Any]:
    """Return PyTorch's loader over Pillow, in this process."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)

    class Photographs(Dataset):
        def __len__(self) -> int:
            return 10**6

        def __getitem__(self, index: int) -> Any:
            generator = np.random.default_rng(index)
            pixels = by_pillow(files[index % len(files)], generator)
            return (pixels[:, ::-1] if generator.random() < 0.5 else pixels).copy(), 0  # PyTorch must be free to write

    return iter(DataLoader(Photographs(), batch_size=BATCH, shuffle=False))


def by_tensorflow(files: list[bytes]) -> Iterator[Any]:
    """Return tf.data with its fused decoding, in one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def example(content: Any) -> Any:
        shape = tf.io.extract_jpeg_shape(content)
        whole = tf.zeros((1, 0, 4))
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            shape,
            whole,
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


if __name__ == "__main__":
    alone(measure)
