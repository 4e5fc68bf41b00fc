"""Laws of importing `mixup_jax.data`: it is lazy, and changes nothing of the process that imports it."""

import os
import subprocess
import sys

import pytest

import mixup_jax.data
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.photographs.streamed import cores
from mixup_jax.data.sources import load, open_data


def call(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_the_package_gives_its_functions_when_they_are_asked_for():
    assert (mixup_jax.data.load, mixup_jax.data.open_data, mixup_jax.data.Dataset) == (load, open_data, Dataset)
    assert {"Dataset", "load", "open_data"} <= set(dir(mixup_jax.data))
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = mixup_jax.data.lode


def test_the_package_imports_no_module_that_reads_files():
    code = "import sys, mixup_jax.data; print(*sys.modules)"
    found = call(code).split()
    assert not [
        name for name in found if name.startswith(("mixup_jax.data.s", "mixup_jax.data.f", "mixup_jax.runtime"))
    ]


def test_the_number_of_cores_is_known_on_systems_without_affinity(monkeypatch):
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
