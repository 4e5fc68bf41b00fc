"""Archives in their true layout, small and made here; cache and data folders of each test's own."""

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from small_archives import cifar_archive, described, use

from mixup_jax.data.images import cifar, fashion_mnist


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Let no test read or write the user's folders, nor data that is installed on this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MIXUP_JAX_DATA", raising=False)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")


@pytest.fixture(params=["cifar10", "cifar100"])
def tiny_cifar(request, monkeypatch):
    """Shrink a CIFAR to a few records; return (its description, the archive's bytes, images, labels)."""
    spec = {"cifar10": cifar.CIFAR10, "cifar100": cifar.CIFAR100}[request.param]
    spec = replace(spec, records=(4, 3))
    generator = np.random.default_rng(0)
    number = 4 * len(spec.train) + 3
    image = generator.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
    label = generator.integers(0, len(spec.classes), number).astype(np.int32)
    content = cifar_archive(spec, image, label)
    spec = replace(spec, archive=described(content, spec.archive.name))
    use(monkeypatch, spec)
    return spec, content, image, label


@pytest.fixture
def tiny_fashion(monkeypatch):
    """Shrink Fashion-MNIST to 5 + 3 images; return (the four files' bytes by name, the four arrays)."""
    generator = np.random.default_rng(0)
    arrays = []
    for number in (5, 3):
        arrays.append(generator.integers(0, 256, (number, 28, 28), dtype=np.uint8))
        arrays.append(generator.integers(0, 10, number).astype(np.uint8))
    contents = [
        bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()
        for array in arrays
    ]
    names = [archive.name for archive in fashion_mnist.ARCHIVES]
    files = {name: gzip.compress(content) for name, content in zip(names, contents, strict=True)}
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    shapes = [array.shape for array in arrays]
    monkeypatch.setattr(fashion_mnist, "ARCHIVES", tuple(described(file, name) for name, file in files.items()))
    monkeypatch.setattr(fashion_mnist, "CONTENTS", tuple(zip(shapes, digests, strict=True)))
    return files, arrays
