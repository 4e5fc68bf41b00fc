"""ImageNet-2012: 1,281,167 + 50,000 photographs of 1,000 classes, prepared by `experiments.prepare` or by TFDS."""

import functools
import importlib.util
import logging
from functools import cached_property
from pathlib import Path
from typing import Any

from mixup_jax.data.files import tfds as prepared
from mixup_jax.data.identity import digest_files
from mixup_jax.data.imagenet.shards import Shards
from mixup_jax.data.imagenet.tars import VALIDATION_IMAGE
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.runtime.json_files import read_object

log = logging.getLogger(__name__)

NAME = "imagenet"
CLASSES, TRAIN, VALIDATION = 1000, 1_281_167, 50_000
MANIFEST = "imagenet.json"
# Paper: silent. Goyal et al. (2017) subtract and divide per colour; these are the usual constants.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_imagenet(data_dir: Path) -> StreamedDataset:
    """Open ImageNet in ``imagenet/`` of `data_dir` or directly in it, or as TFDS prepared it (imagenet2012).

    Raises FileNotFoundError if it is missing, ValueError if it is incomplete.
    """
    for folder in (data_dir / NAME, data_dir):
        if (folder / MANIFEST).is_file():
            return _from_shards(folder)
        if any(folder.glob("*.array_record")):
            raise ValueError(f"{folder} has no {MANIFEST}: it was not prepared to the end; run the same command again")
    folder = prepared.find("imagenet2012", data_dir)
    if folder is not None:
        return _from_tfds(folder)
    raise FileNotFoundError(
        f"{NAME} is neither in {data_dir / NAME} nor in {data_dir}; get the two archives from image-net.org and run "
        f"python -m experiments.prepare imagenet --train-tar ILSVRC2012_img_train.tar "
        f"--val-tar ILSVRC2012_img_val.tar --out {data_dir / NAME}"
    )


def class_names() -> tuple[str, ...]:
    """Return the 1,000 synsets (n01440764, ...) in the order of their class ids."""
    return tuple(_resource("labels.txt"))


def validation_labels() -> list[int]:
    """Return the class ids of validation images 1 to 50,000."""
    number = {synset: label for label, synset in enumerate(class_names())}
    return [number[synset] for synset in _resource("validation_labels.txt")]


def label_of(name: str) -> int:
    """Return the class id of a photograph of either set, by its name.

    >>> label_of("n01443537_22.JPEG"), label_of("ILSVRC2012_val_00000001.JPEG")
    (1, 65)
    """
    try:
        if match := VALIDATION_IMAGE.fullmatch(name):
            return _labels()[int(match[1])]
        return _labels()[name.partition("_")[0]]
    except KeyError:
        raise ValueError(f"{NAME}: {name!r} is no photograph of it; prepare the data again") from None


@functools.cache
def _labels() -> dict[str | int, int]:
    """Return the class ids by synset, and by number of the validation image."""
    return dict(zip(class_names(), range(CLASSES), strict=True)) | dict(enumerate(validation_labels(), start=1))


def _resource(name: str) -> list[str]:
    """Read a list that is part of TFDS, without importing TFDS."""
    spec = importlib.util.find_spec("tensorflow_datasets")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "datasets" / "imagenet2012" / name).read_text(encoding="utf-8").split()


def _from_shards(folder: Path) -> StreamedDataset:
    manifest = read_object(folder / MANIFEST, images=dict, shards=dict, skipped=list, partial=bool, mark=str)
    parts, remembered = {}, {what: manifest.get(what, {}) for what in ("bytes", "sha256")}  # not in older preparations
    for what, values in remembered.items():
        if not isinstance(values, dict):
            raise ValueError(f"{folder / MANIFEST}: its {what} is {str(values)[:40]!r}; prepare the data again")
    for split in ("train", "validation"):
        shards = manifest["shards"].get(split)
        if not isinstance(shards, list) or not shards or not all(_is_name(name) for name in shards):
            raise ValueError(f"{folder / MANIFEST}: shards of {split} are no names of files; prepare the data again")
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"{folder}: {missing[0]} is missing; prepare the data again")
        for name in shards:
            found = (folder / name).stat().st_size
            written = remembered["bytes"].get(name, found)
            if written != found:
                raise ValueError(f"{folder / name} has {found:,} bytes instead of {written:,}; prepare the data again")
        parts[split] = Shards([folder / name for name in shards])
        if len(parts[split]) != manifest["images"].get(split):
            raise ValueError(
                f"{folder}: {split} holds {len(parts[split])} photographs instead of {manifest['images'].get(split)}; "
                "prepare the data again"
            )
    if manifest["partial"]:
        log.info("%s: only a part of ImageNet, %d + %d photographs", folder, *map(len, parts.values()))
    train, test, part = parts["train"], parts["validation"], manifest["partial"] or bool(manifest["skipped"])
    paths = [folder / name for shards in manifest["shards"].values() for name in shards]
    digest = digest_files(paths, {name: str(sha256) for name, sha256 in remembered["sha256"].items()})
    return StreamedDataset(NAME, manifest["mark"], class_names(), train, test, MEAN, STD, part=part, digest=digest)


def _is_name(name: Any) -> bool:
    """Return whether this is the name of a file in the folder itself."""
    return isinstance(name, str) and name == Path(name).name


def _from_tfds(folder: Path) -> StreamedDataset:
    log.info("%s: prepared by TFDS", folder)
    train, test = Tfds(folder, "train"), Tfds(folder, "validation")
    part = (len(train), len(test)) != (TRAIN, VALIDATION)
    if part:
        log.info("%s: only a part of ImageNet, %d + %d photographs", folder, len(train), len(test))
    digest = digest_files(path for path in prepared.source_files(folder) if ".array_record" in path.name)
    return StreamedDataset(NAME, "REAL", class_names(), train, test, MEAN, STD, part=part, digest=digest)


class Tfds:
    """The photographs of a split prepared by TFDS; picklable, for other processes.

    Labels come from the names of the files: TFDS counts validation images, which is wrong if some were missing.
    """

    def __init__(self, folder: Path, split: str):
        self._folder, self._split = folder, split

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Photograph:
        record = self._source[index]
        name = record["file_name"].decode()
        return Photograph(name, label_of(name), record["image"])

    @cached_property
    def _source(self) -> Any:
        import tensorflow_datasets as tfds  # here: it takes half a second

        builder: Any = tfds.builder_from_directory(self._folder)
        return builder.as_data_source(split=self._split, decoders={"image": tfds.decode.SkipDecoding()})

    def __getstate__(self) -> dict[str, Any]:
        return {"_folder": self._folder, "_split": self._split}
