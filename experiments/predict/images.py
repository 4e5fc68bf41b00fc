"""Predict images: files are decoded by threads ahead of the network, and each becomes a line of a CSV."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from experiments.predict.lines import check_output, header, line, tell, write_csv
from experiments.predict.pictures import find_pictures
from mixup_jax.data.files.folders import Tally
from mixup_jax.data.images.as_input import AsInput
from mixup_jax.data.images.picture_files import picture_suffixes
from mixup_jax.data.photographs.streamed import cores
from mixup_jax.evaluation.classification import padded
from mixup_jax.network import BATCH, Network, load_network
from mixup_jax.runtime.errors import reason_of
from mixup_jax.runtime.progress import progress

Decoded = tuple[Path, np.ndarray | None, str, Tally]
"""A file, its pixels or None, why there are none, and what was converted."""


def predict_images(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    paths: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH", help_behavior_hint="(required)")
    ],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("predictions.csv"),
    top: int = 5,
    tta: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    alpha: float | None = None,
    checkpoints: str | None = None,
    checkpoint: Literal["newest", "best"] = "newest",
    batch_size: int = BATCH,
) -> None:
    """Write a CSV with a line for each image: file, prediction, probability, the next likely classes, error.

    Args:
        run: Folder of a finished run or of an export; of tables and wafer maps RUN --help lists other options.
        paths: Pictures, and folders in which all pictures are taken, in natural order.
        output: The CSV to write; an existing one is replaced when the new one is complete.
        top: Classes to name, with their probabilities.
        tta: Take the mean over each image and its mirror image (for networks that were trained so).
        alpha: Which networks of a run that trained several alphas side by side.
        checkpoints: The folder of checkpoints that the run was started with, if any.
        checkpoint: The newest one, or the best by the validation set, by the test set where there is none.
        batch_size: Images at once; changes no more than the last bits.
    """
    for name, value, most in (("top", top, 10**6), ("batch_size", batch_size, 10**6)):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must be from 1 to {most:,}, got {value}.")
    check_output(output)
    passed_over = Tally()
    count = count_pictures(paths, passed_over)
    network = load_network(run, alpha=alpha, checkpoints=checkpoints, checkpoint=checkpoint)
    if tta and not network.mirrored:
        raise ValueError(f"--tta takes mirror images, and the training in {run} did not mirror: leave it out.")
    print(_sentence(network, tta))
    files, converted = find_pictures(paths, picture_suffixes(), Tally()), Tally()
    found = predictions(network, files, converted, mirror=tta, batch_size=batch_size)
    lines = (line(*each, network.classes, top) for each in found)
    written, bad = write_csv(output, header(min(top, len(network.classes))), progress(lines, "predicting", count))
    for note in (*passed_over.notes("files or folders"), *converted.notes(f"of {written:,} images")):
        print(note)
    tell(output, written, bad, "images")


def count_pictures(paths: tuple[Path, ...], passed_over: Tally) -> int:
    """Return the number of pictures, and count what is passed over; raises ValueError for none."""
    if not paths:
        raise ValueError("PATH is missing: give pictures, or folders that hold some.")
    count = sum(1 for _ in find_pictures(paths, picture_suffixes(), passed_over))
    if not count:
        suffixes = ", ".join(picture_suffixes())
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}; their suffixes are {suffixes}.")
    return count


def _sentence(network: Network, tta: bool) -> str:
    height, width, _ = network.image_shape
    seeds = f"mean over {len(network.seeds)} seeds" if len(network.seeds) > 1 else "one seed"
    turns = "; each image and its mirror image" if tta else ""
    return f"{len(network.classes)} classes, images of {width} x {height}; {seeds}{turns}"


def predictions(
    network: Network, files: Iterable[Path], converted: Tally, *, mirror: bool = False, batch_size: int = BATCH
) -> Iterator[tuple[Path, np.ndarray | None, str]]:
    """Yield each file in order with its probabilities float32 (classes,), or None and the reason where it is bad.

    Memory holds a few batches, however many files there are.
    """
    waiting: deque[tuple[Path, str]] = deque()

    def batches() -> Iterator[tuple[np.ndarray, int]]:
        images: list[np.ndarray] = []
        for path, pixels, reason, notes in decoded(files, network.as_input, ahead=2 * batch_size):
            converted.update(notes)
            waiting.append((path, reason))
            images += [] if pixels is None else [pixels]
            if len(images) == batch_size:
                yield np.stack(images), batch_size
                images = []
        if images:
            yield padded(np.stack(images), batch_size), len(images)

    for probabilities in network.predict_batches(batches(), mirror=mirror):
        for each in probabilities:
            yield from _bad_ones(waiting)
            yield waiting.popleft()[0], each, ""
    yield from _bad_ones(waiting)


def _bad_ones(waiting: deque[tuple[Path, str]]) -> Iterator[tuple[Path, None, str]]:
    """Yield and take away the bad files before the next good one."""
    while waiting and waiting[0][1]:
        path, reason = waiting.popleft()
        yield path, None, reason


def decoded(files: Iterable[Path], as_input: AsInput, *, ahead: int) -> Iterator[Decoded]:
    """Yield the files decoded, in order, by a thread for each core, at most `ahead` files ahead."""

    def work(path: Path) -> Decoded:
        notes = Tally()
        try:
            return path, as_input(path, notes), "", notes
        except Exception as error:  # whatever a decoder or the file system raise
            return path, None, reason_of(error), Tally()

    running: deque[Any] = deque()
    pool = ThreadPoolExecutor(cores())
    try:
        for path in files:
            running.append(pool.submit(work, path))
            if len(running) > ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
