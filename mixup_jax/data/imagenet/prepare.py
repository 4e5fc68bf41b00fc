"""Convert ImageNet's two archives to array_record files: streaming, parallel, and resumable after a kill."""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixup_jax.data.imagenet import shards, tars
from mixup_jax.data.imagenet.source import CLASSES, MANIFEST, TRAIN, VALIDATION, class_names, validation_labels
from mixup_jax.data.imagenet.tars import Span
from mixup_jax.data.photographs import jpeg
from mixup_jax.data.photographs.streamed import Photograph
from mixup_jax.runtime.atomic import replacing, write_json
from mixup_jax.runtime.folder_lock import sole_owner
from mixup_jax.runtime.json_files import read_object
from mixup_jax.runtime.progress import progress

SOURCE = "source.json"
CLASSES_A_FILE, IMAGES_A_FILE = 10, 1000
"""Few enough files to keep all of them open, many enough to share the work."""


@dataclass(frozen=True)
class Part:
    """The content of one file: the images of some classes, or some of the validation images."""

    path: Path
    split: str
    tar: Path
    spans: tuple[Span, ...]
    labels: tuple[int, ...]
    """A label for each span."""
    skip_bad: bool

    @property
    def report(self) -> Path:
        """Return the path of the report: number of images, images left out, size and SHA-256; written first."""
        return self.path.with_suffix(".json")


def prepare(
    train_tar: Path,
    val_tar: Path,
    out: Path,
    *,
    partial: bool = False,
    skip_bad: bool = False,
    workers: int = 1,
    mark: str = "REAL",
) -> dict[str, Any]:
    """Write the files of both archives and then ``imagenet.json``; return its content.

    The same command continues after a kill: files are kept if they have the size and SHA-256 with which they were
    written, and written again otherwise. Labels come from the names of the photographs: the synset, or the number of
    the validation image.

    Raises ValueError for archives that are swapped, damaged, incomplete (without `partial`) or hold other files, for an
    image that cannot be read (without `skip_bad`), for a folder made from other archives, and for a folder that another
    process writes into.
    """
    classes, numbers = tars.class_spans(train_tar), tars.validation_spans(val_tar)
    _check_counts(train_tar, val_tar, classes, numbers, partial)
    with sole_owner(out, f"another process is preparing {out}; wait for it or choose another --out"):
        _claim(out, mark, (train_tar, val_tar))
        for abandoned in out.glob(".*.part"):
            abandoned.unlink()
        parts = [
            *_parts("train", train_tar, out, classes, skip_bad),
            *_parts("validation", val_tar, out, numbers, skip_bad),
        ]
        _write_all(parts, workers)
        manifest = _summary(parts, partial, mark)
        if manifest["skipped"] and not skip_bad:
            raise ValueError(f"photographs were left out of {out} with --skip-bad; add --skip-bad again to continue")
        found = manifest["images"]["train"] + sum(each["split"] == "train" for each in manifest["skipped"])
        if found != TRAIN and not partial:
            raise ValueError(
                f"{train_tar} holds {found:,} images instead of {TRAIN:,}; get it again, or take --partial"
            )
        write_json(out / MANIFEST, manifest)
    return manifest


def _summary(parts: list[Part], partial: bool, mark: str) -> dict[str, Any]:
    """Return the content of imagenet.json."""
    reports = {part: read_object(part.report, images=int, skipped=list) for part in parts}
    of = {split: [part for part in parts if part.split == split] for split in ("train", "validation")}
    return {
        "images": {split: sum(reports[part]["images"] for part in each) for split, each in of.items()},
        **{what: {part.path.name: report[what] for part, report in reports.items()} for what in ("bytes", "sha256")},
        "shards": {split: [part.path.name for part in each] for split, each in of.items()},
        "skipped": [each for report in reports.values() for each in report["skipped"]],
        "partial": partial,
        "mark": mark,
    }


def _check_counts(
    train_tar: Path, val_tar: Path, classes: dict[str, Span], numbers: dict[int, Span], partial: bool
) -> None:
    unknown = sorted(classes.keys() - set(class_names()))
    if unknown:
        raise ValueError(f"{train_tar} holds {unknown[0]}.tar, which is none of the {CLASSES:,} classes")
    for path, found, all_of_them, what in (
        (train_tar, classes, CLASSES, "classes"),
        (val_tar, numbers, VALIDATION, "validation images"),
    ):
        if not found:
            raise ValueError(f"{path} holds no {what}")
        if len(found) != all_of_them and not partial:
            raise ValueError(
                f"{path} holds {len(found):,} of the {all_of_them:,} {what}; get it again, or take --partial"
            )


def _claim(out: Path, mark: str, paths: tuple[Path, Path]) -> None:
    """Record the archives from which the folder is made; raise ValueError if they are others.

    `partial` and `skip_bad` may change between starts: they change no complete file.
    """
    source = {"mark": mark, "archives": [[path.name, path.stat().st_size] for path in paths]}
    record = out / SOURCE
    if not record.exists():
        write_json(record, source)
    elif {name: read_object(record).get(name) for name in source} != source:
        raise ValueError(f"{out} holds files made from other archives; choose another --out")


def _parts(split: str, tar: Path, out: Path, spans: dict[Any, Span], skip_bad: bool) -> Iterator[Part]:
    """Yield the files of a split that have content; `spans` are by synset, or by the number of the image."""
    if split == "train":
        known, size = [(name, label) for label, name in enumerate(class_names())], CLASSES_A_FILE
    else:
        known, size = list(enumerate(validation_labels(), start=1)), IMAGES_A_FILE
    for start in range(0, len(known), size):
        there = [(key, label) for key, label in known[start : start + size] if key in spans]
        if there:
            path = out / f"{split}-{start // size:05d}-of-{len(known) // size:05d}.array_record"
            found = tuple(spans[key] for key, _ in there)
            yield Part(path, split, tar, found, tuple(label for _, label in there), skip_bad)


def write_part(part: Part) -> None:
    """Write one file and, before it, its report, unless the file is complete."""
    if _is_whole(part):
        return
    skipped: list[dict[str, str]] = []
    with replacing(part.path) as written:
        count = shards.write(written, _readable(part, skipped))
        write_json(part.report, {"images": count, "skipped": skipped, **_content(written)})


def _content(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _is_whole(part: Part) -> bool:
    """Return whether the file has the content that its report describes; a damaged report describes none."""
    try:
        report = json.loads(part.report.read_text(encoding="utf-8"))
        return part.path.stat().st_size == report["bytes"] and _content(part.path)["sha256"] == report["sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _readable(part: Part, skipped: list[dict[str, str]]) -> Iterator[Photograph]:
    """Yield the images that can be read; add the others to `skipped` if they may be left out."""
    for name, label, encoded in _images(part):
        try:
            jpeg.check(encoded)
        except ValueError as error:
            if not part.skip_bad:
                raise ValueError(f"{part.tar}: {name} cannot be read ({error}); --skip-bad leaves it out") from error
            skipped.append({"split": part.split, "name": name, "reason": str(error)})
        else:
            yield Photograph(name, label, encoded)


def _images(part: Part) -> Iterator[tuple[str, int, bytes]]:
    if part.split == "train":
        for span, label in zip(part.spans, part.labels, strict=True):
            for name, encoded in tars.training_images(part.tar, span):
                yield name, label, encoded
    else:
        contents = tars.validation_images(part.tar, list(part.spans))
        for (name, encoded), label in zip(contents, part.labels, strict=True):
            yield name, label, encoded


def _write_all(parts: Sequence[Part], workers: int) -> None:
    """Write the files in `workers` processes; raise the first error when those that were begun are done."""
    description = "writing ImageNet"
    if workers == 1:
        for part in progress(parts, description):
            write_part(part)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_serve) as pool:
        running = [pool.submit(write_part, part) for part in parts]
        try:
            for done in progress(as_completed(running), description, total=len(running)):
                done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _serve() -> None:
    """Leave Ctrl-C to the parent process, and end this worker when the parent ends for any reason."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)
