"""Build archives in their true layout, and put them where `load` looks."""

import hashlib
import io
import tarfile

import numpy as np
from PIL import Image

from mixup_jax.data import sources
from mixup_jax.data.files.archives import Archive
from mixup_jax.data.images import cifar

CLOSED = "http://127.0.0.1:9"  # nothing listens on this port: no network


def described(content, name, server=CLOSED):
    """Describe a file as its publisher does."""
    return Archive(f"{server}/{name}", len(content), hashlib.sha256(content).hexdigest())


def cifar_archive(spec, image, label):
    """Build CIFAR's tar.gz: records of label bytes and 3,072 bytes, colour by row by column."""
    coarse = [np.full((len(label), 1), 255, np.uint8)] * (spec.label_bytes - 1)
    pixels = image.transpose(0, 3, 1, 2).reshape(len(label), 3072)
    records = np.concatenate([*coarse, label[:, None].astype(np.uint8), pixels], axis=1)
    members, start = [], 0
    for part, count in ((spec.train, spec.records[0]), (spec.test, spec.records[1])):
        for name in part:
            members.append((name, records[start : start + count].tobytes()))
            start += count
    return tar_gz([("README.html", b"something else"), *members])


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def use(monkeypatch, spec):
    """Let `load` know this description under its name."""
    monkeypatch.setitem(sources.SOURCES, spec.name, lambda data_dir: cifar.load_cifar(spec, data_dir))


def place(folder, files):
    """Write files by name into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def saved(picture, file_format="PNG", **options):
    """Return a picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def encoded(image, file_format="PNG"):
    """Encode uint8 pixels."""
    return saved(Image.fromarray(np.squeeze(image)), file_format)


def prepare_by_tfds(folder, name, version, features, records):
    """Prepare a data set with TFDS's own writer, which shuffles by the records' keys: {split: (key, record) ...}."""
    import tensorflow_datasets as tfds

    folder.mkdir(exist_ok=True)
    with tfds.core.registered.skip_registration():

        class Prepared(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version(version)
            pkg_dir_path = folder

            def _info(self):
                return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return records

            def _generate_examples(self):
                yield from ()

    Prepared(data_dir=folder / "made", file_format="array_record").download_and_prepare()
    (folder / "made" / "prepared").rename(folder / name)
