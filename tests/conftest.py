"""Eight virtual CPU devices, strict dtypes and ranks, and jaxtyping checks for the whole suite."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook("mixup_jax", "typechecker.check")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng():
    """A fixed key."""
    return jax.random.key(0)
