"""Laws of deterministic: XLA of this version knows the flag, a run records it, and where bits repeat it is refused."""

import os
import subprocess
import sys

import pytest

from mixup_jax.runtime.devices import deterministic
from mixup_jax.runtime.identity import jax_settings


@pytest.mark.thorough
def test_this_version_of_xla_knows_the_flag():
    """Of an unknown one it says so, and ends the process."""
    environ = dict(os.environ, XLA_FLAGS="", JAX_PLATFORMS="cpu")
    deterministic.ask(environ)
    subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=environ, check=True, capture_output=True)
    environ["XLA_FLAGS"] += " --xla_gpu_deterministic_operations=true"
    done = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=environ, capture_output=True)
    assert done.returncode


def test_it_is_recorded_with_the_settings_of_jax(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=false --xla_dump_to=here")
    deterministic.ask(os.environ)
    assert jax_settings()["XLA_FLAGS"] == [deterministic.FLAGS]


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_where_bits_repeat_anyway_it_is_refused(platform):
    with pytest.raises(ValueError, match=f"bits repeat on a {platform.upper()} anyway; leave it out"):
        deterministic.check(platform)
    deterministic.check("gpu")
