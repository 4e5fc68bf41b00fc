"""Importing the library changes nothing that the rest of a program shares."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import importlib, logging, os, pathlib, pkgutil, signal, sys, warnings
import jax, matplotlib, orbax.checkpoint, grain.python, cv2  # what these do themselves is theirs
from orbax.checkpoint import v1
import tensorstore, flax.linen, optax
import array_record, pandas, PIL.Image, scipy.sparse, scipy.special, sklearn.datasets, soundfile

def state():
    loggers = {name: log.level for name, log in logging.root.manager.loggerDict.items() if hasattr(log, "level")}
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    hooks = warnings.showwarning, sys.excepthook, sys.unraisablehook
    ours = {name: level for name, level in loggers.items() if level}
    return ours, logging.root.level, hooks, signals, dict(os.environ), dict(jax.config.values), (
        cv2.getNumThreads(), list(warnings.filters)
    )

cv2.setNumThreads(3)
before = state()
import mixup_jax
for module in pkgutil.walk_packages(mixup_jax.__path__, "mixup_jax."):
    importlib.import_module(module.name)
after = state()
changed = [(a, b) for a, b in zip(before, after) if a != b]
assert not changed, changed
"""


@pytest.mark.thorough
def test_importing_every_module_changes_no_global_state():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=ROOT)
