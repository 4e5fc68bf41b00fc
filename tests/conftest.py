"""Eight virtual CPU devices, strict dtypes and ranks, and jaxtyping checks for the whole suite."""

import os
from pathlib import Path

# Compiling is most of the suite's time, LLVM most of that. Laws that hold to a tolerance hold without it; those about
# bits compile as users do (`AS_USERS_DO` in training/tiny_runs.py).
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0 " + os.environ.get("XLA_FLAGS", "")
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Keep what was compiled, also for the processes that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook("mixup_jax", "typechecker.check")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng():
    """A fixed key."""
    return jax.random.key(0)
