"""Plans with known lambdas: compiling a Beta distribution is most of what drawing a plan costs."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import Mix


@pytest.fixture
def fix_lambdas(monkeypatch):
    """Return a function that gives the examples of a method's plans known lambdas, and the one before as partner."""

    def fix(method, lam):
        plan = Mix(jnp.asarray(lam, jnp.float32), jnp.asarray(np.roll(np.arange(len(lam)), 1)))
        monkeypatch.setattr(sys.modules[f"mixup_jax.methods.{method}"], "draw", lambda *arguments, **options: plan)

    return fix
