"""Archives in ImageNet's layout with a few generated photographs of realistic size, for smoke runs and tests."""

import io
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.data.imagenet.source import class_names, validation_labels
from mixup_jax.runtime.devices.mesh import is_writer, wait_for_all

HEIGHT, WIDTH, QUALITY = 375, 500, 90  # and with this much noise about 110 kB, the mean of ImageNet


class Archives(NamedTuple):
    """The two archives."""

    train: Path
    validation: Path


def build_archives(folder: Path, *, classes: int = 4, train: int = 16, validation: int = 5) -> Archives:
    """Write both archives: `train` and `validation` photographs of each of the first `classes` classes.

    Classes differ in colour and in the direction of their stripes, so that a small network can learn them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = Archives(folder / "ILSVRC2012_img_train.tar", folder / "ILSVRC2012_img_val.tar")
    names, labels = class_names()[:classes], validation_labels()
    with tarfile.open(paths.train, "w") as outer:
        for label, name in enumerate(names):
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w") as inner:
                for number in range(train):
                    add(inner, f"{name}_{number + 1}.JPEG", photograph(label, number))
            add(outer, f"{name}.tar", content.getvalue())
    with tarfile.open(paths.validation, "w") as archive:
        for label in range(classes):
            numbers = [number for number, other in enumerate(labels, 1) if other == label]
            for number in numbers[:validation]:
                add(archive, f"ILSVRC2012_val_{number:08d}.JPEG", photograph(label, number + 10_000))
    return paths


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to an open archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def photograph(label: int, number: int) -> bytes:
    """Return a JPEG of stripes and noise; the same for the same arguments."""
    generator = np.random.default_rng((label, number))
    row, column = np.mgrid[:HEIGHT, :WIDTH] / 40
    angle, phase = np.pi * label / 4, generator.uniform(0, 2 * np.pi)
    stripes = np.sin(row * np.sin(angle) + column * np.cos(angle) + phase)
    colour = np.random.default_rng(label).uniform(60, 190, 3) + generator.normal(0, 15, 3)
    pixels = colour + 30 * stripes[..., None] + generator.normal(0, 17, (HEIGHT, WIDTH, 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def build_data(data_dir: Path) -> Path:
    """Build small archives of generated photographs and prepare them; return the folder that runs read."""
    if is_writer() and not (data_dir / "imagenet" / "imagenet.json").exists():
        archives = build_archives(data_dir / "archives")
        prepare(*archives, data_dir / "imagenet", partial=True, mark="SYNTHETIC")
    wait_for_all("the data of the smoke run")
    return data_dir
