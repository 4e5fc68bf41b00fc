"""Small data sets: decoded once, then memory-mapped; and what the host does during an epoch.

python -m benchmarks.small_data
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import jax
import numpy as np
from PIL import Image

from benchmarks.harness.our_training import SHAPES, gigaflop, random_images, training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.turns import QUICK, Effort, Steps, digits, spread, take_turns
from benchmarks.limits import beside_product, copy, percent, the_product
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN
from mixup_jax.data.files.archives import default_data_dir
from mixup_jax.data.sources import load
from mixup_jax.runtime.resumable import CALL_SECONDS

LOADING = ("", "first, ms", "later, ms", "file, MiB", "later, GB/s", "a copy, GB/s")
DATA = ("fashion_mnist", "cifar10")


@contextmanager
def empty_cache() -> Iterator[Path]:
    """Keep decoded data in a folder of this benchmark's own; data are looked for where they would be without it."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def measure(effort: Effort) -> list[Table]:
    """Load the data sets that are here, and train on noise of their size."""
    return [loading(effort), host_work(effort)]


def loading(effort: Effort) -> Table:
    """Time first and later loads."""
    folder, rows = default_data_dir(), []
    folder.mkdir(parents=True, exist_ok=True)  # it is named below, and a named folder must be there
    with tempfile.TemporaryDirectory() as pictures:
        for name in [small_folder(Path(pictures))] if effort == QUICK else DATA:
            rows.append(first_and_later(name, folder, effort))
    here = [row for row in rows if row[-1]]
    sentences = [f"{name}: {first} ms the first time, {later} ms after that." for name, first, later, *_ in here]
    text = (
        f"{' '.join([*sentences, ''])}The first load decodes every image and writes one file; later ones map it "
        "and compare its checksum (zlib's CRC-32 of every byte). Beside it: a copy of as many bytes by one core, "
        "just after; each byte is counted once here, in the table of limits twice. The file is in the system's cache "
        "all the while."
    )
    return Table("Loading small data", LOADING, rows, text)


def first_and_later(name: str, folder: Path, effort: Effort) -> tuple[str, ...]:
    """Load a data set with an empty cache, then again and again."""
    title = name.partition(":")[0]
    with empty_cache() as cache:
        try:
            first = 1000 * seconds_of_load(name, folder)
        except FileNotFoundError:
            return title, "not here", "", "", "", ""  # and cannot be downloaded
        later = [1000 * seconds_of_load(name, folder) for _ in range(effort.rounds)]
        size = next((cache / "mixup_jax" / "decoded").glob("*.arrays")).stat().st_size
    (limit,) = take_turns({"copy": copy(size, 1)}, effort).values()
    rates = [1e-6 * size / each for each in later], [1e-9 * size / each for each in limit.seconds]
    return title, f"{first:,.0f}", spread(later), digits(size / 2**20), *map(spread, rates)


def small_folder(folder: Path) -> str:
    """Write a few pictures of noise in two classes; return the name of the data set that they are."""
    images = random_images(32).train_image
    for index, image in enumerate(images):
        path = folder / ("train", "test")[index % 2] / ("a", "b")[index // 2 % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return f"folder:{folder}"


def seconds_of_load(name: str, folder: Path) -> float:
    """Return the seconds of a load."""
    start = time.perf_counter()
    load(name, folder)
    return time.perf_counter() - start


def host_work(effort: Effort) -> Table:
    """Time an epoch in one call, and in a call for each step: the difference is what the host adds."""
    rows, sentences = [], []
    presets = {"quick start's perceptron": CLEAN} | ({} if effort == QUICK else {"small preset": SMALL})
    for title, config in presets.items():
        config = replace(config, seeds=1)
        run = training(config, random_images(16 * config.batch_size, SHAPES[config.data.dataset]), devices=1)

        def one_by_one(count: int, run=run) -> None:
            for _ in range(16 * count):
                run.carry = run.program(*run.carry, run.setting.alpha, run.setting.train, np.int32(1))
            jax.block_until_ready(run.carry)

        runs: dict[str, Steps] = {"call": lambda count, run=run: run(16 * count), "calls": one_by_one}
        timings, limits = beside_product(runs, effort)
        pairs = zip(timings["calls"].seconds, timings["call"].seconds, strict=True)
        per_call = [1000 * (many - one) / 15 for many, one in pairs]
        sentences.append(f"{title}: {digits(median(per_call))} ms a call.")
        share = percent(16 * gigaflop(config) / timings["call"].median, limits)
        rows.append((title, timings["call"].ms(), share, timings["calls"].ms(), spread(per_call)))
    text = (
        f"{' '.join(sentences)} The images lie on the device as uint8; batches are gathered, augmented and "
        "mixed inside of the program. All that the host hands over is how many steps to take, and a run's loop makes "
        f"a call last {CALL_SECONDS:g} s, but an epoch at most. What 16 calls take longer than one, shared among the "
        "15 calls more, is what a call costs, the epoch's order of images included; at best that is 0 ms. "
        f"The limit of 16 steps in one call is {the_product(effort)} by XLA, which took turns."
    )
    columns = ("16 steps", "in one call, ms", "% of the limit", "in 16 calls, ms", "a call costs, ms")
    return Table("Work of the host", columns, rows, text)


if __name__ == "__main__":
    alone(measure)
