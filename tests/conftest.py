"""Eight virtual CPU devices, strict dtypes and ranks, and jaxtyping checks for the whole suite."""

import os
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling is most of the suite's time: keep what was compiled, also for the processes that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook("mixup_jax", "typechecker.check")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    """Compile the fast suite without LLVM's optimisations: compiling is most of its time. Slow tests are real runs."""
    if "not slow" in (config.option.markexpr or ""):
        os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"


@pytest.fixture
def rng():
    """A fixed key."""
    return jax.random.key(0)
