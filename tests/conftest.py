"""Eight virtual CPU devices, strict dtypes and ranks, and jaxtyping checks for the whole suite."""

import os
from importlib.metadata import version
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if tuple(map(int, version("jax").split(".")[:2])) >= (0, 12):
    # Compiling is most of the suite's time: keep what was compiled, also for the processes that tests start.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "xla"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
else:  # JAX 0.10 waits for itself, also within one process: experiments/commands/running.py
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)

import ctypes
import functools
import gc
import inspect
import sys
from types import SimpleNamespace

import jax
import psutil
import pytest
import tyro
from compiled import PROGRAMS, keep_programs
from jaxtyping import install_import_hook

TESTS = Path(__file__).parent
install_import_hook("mixup_jax", "typechecker.check")
jax.config.update("jax_numpy_rank_promotion", "raise")
keep_programs()
tyro._unsafe_cache.sys = SimpleNamespace(modules={})  # under pytest it fills a tenth of its cache anew, to compare
inspect.getsource = functools.cache(inspect.getsource)  # tyro asks for the source of each choice at each command line


def pytest_configure(config):
    """Compile without LLVM's optimisations, but for those run by hand: compiling is most of the time of the tests."""
    if "exhaustive" not in (config.option.markexpr or "") or "not exhaustive" in config.option.markexpr:
        os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"


STRICT = ("augment", "methods", "parity", "test_everywhere.py", "test_losses.py", "test_mixing.py", "test_pitfalls.py")
"""Where dtypes are strict: the functions. What trains still relies on promotion."""


@pytest.fixture(autouse=True)
def strict_promotion(request):
    """Let JAX refuse to promote dtypes by itself."""
    strict = request.path.is_relative_to(TESTS) and request.path.relative_to(TESTS).parts[0] in STRICT
    with jax.numpy_dtype_promotion("strict" if strict else "standard"):
        yield


MOST_MEMORY = 3 * 2**30
"""Bytes that a process of the tests holds before it forgets what was compiled: hundreds of programs are gigabytes."""


@pytest.fixture(scope="module", autouse=True)
def small_heap():
    """Keep what is there out of later collections, also those of the library: a second each with all modules loaded."""
    full = psutil.Process().memory_info().rss > MOST_MEMORY
    if full:
        PROGRAMS.clear()
        jax.clear_caches()
        gc.unfreeze()
    gc.collect()
    if full and sys.platform == "linux":  # without it the memory stays the process's, and the next module clears again
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()


@pytest.fixture
def rng():
    """A fixed key."""
    return jax.random.key(0)


@pytest.fixture(scope="module")
def quick_beta():
    """Draw lambda uniformly, for short trainings: compiling the Beta distribution is most of what they cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            jax.random, "beta", lambda rng, a, b, shape=(), dtype=float: jax.random.uniform(rng, shape, dtype)
        )
        yield


@pytest.fixture(scope="module")
def quick_lambdas():
    """Draw lambda from a logistic distribution in place of Beta, whose compilation is most of a method's.

    It is symmetric and, as Beta, uniform at alpha = 1 and often 0 or 1 at a small alpha. (Beta: tests/test_mixing.py.)
    """

    def sample(rng, a, b, shape, dtype):
        return jax.nn.sigmoid(jax.scipy.special.logit(jax.random.uniform(rng, shape, dtype)) / a)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "beta", sample)
        yield
