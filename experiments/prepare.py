"""Convert original archives to the files that training reads.

ImageNet-2012: the two archives of image-net.org become array_record files, another 145 GB, without TensorFlow.

    python -m experiments.prepare imagenet --train-tar FILE --val-tar FILE --out DATA/imagenet

The same command continues after a kill. Other data sets need no preparation: see docs/data.md.
"""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.commands.errors import call, one_line_errors
from experiments.commands.settings import check_counts
from mixup_jax.data.files.archives import expand
from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.data.photographs.streamed import cores
from mixup_jax.runtime.console import console


def main(
    dataset: Annotated[Literal["imagenet"], tyro.conf.Positional],
    train_tar: Annotated[Path, tyro.conf.arg(metavar="FILE")],
    val_tar: Annotated[Path, tyro.conf.arg(metavar="FILE")],
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")],
    workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    partial: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    skip_bad: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Convert ImageNet's two archives to array_record files; the same command continues after a kill.

    Args:
        dataset: imagenet; other data sets need no preparation.
        train_tar: ILSVRC2012_img_train.tar, 1,000 tars in a tar.
        val_tar: ILSVRC2012_img_val.tar, 50,000 images.
        out: Where to write; DATA_DIR/imagenet is where experiments look.
        workers: Processes that read and check images; by default one a core.
        partial: Accept archives that hold only a part of the classes or images.
        skip_bad: Leave out images that cannot be read, and list them.
    """
    check_counts({"workers": (workers, 1024)})
    manifest = prepare(
        expand(train_tar, "train_tar"),
        expand(val_tar, "val_tar"),
        expand(out, "out"),
        partial=partial,
        skip_bad=skip_bad,
        workers=workers or cores(),
    )
    screen, images = console(), manifest["images"]
    screen.print(f"{out}: {images['train']:,} training and {images['validation']:,} validation images", soft_wrap=True)
    for each in manifest["skipped"]:
        screen.print(f"left out: {each['split']} {each['name']}: {each['reason']}", soft_wrap=True)
    if manifest["skipped"]:
        screen.print(f"{len(manifest['skipped'])} unreadable images were left out")


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.prepare")
