"""What training carries from step to step."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that a step changes, and the key that it draws from.

    `step` counts optimiser steps (int32). `rng` never changes: step k draws from ``fold_in(rng, k)``, so there is no
    generator state to lose. `average` is the moving average of the parameters, None when it is off. Over several
    seeds every leaf has a leading axis.
    """

    step: Any  # not Array: Orbax and jax.tree.map also build it from shapes, shardings and None
    rng: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    average: Any


def init_state(
    seed: int | Array, model: nn.Module, optimizer: optax.GradientTransformation, image: Array, *, average: bool = False
) -> TrainState:
    """Initialise the state of a seed; `image` is a float (batch, ...) array of the shape that the model takes.

    The seed may be traced: ``vmap(init_state)`` over seeds starts many runs, each as it would start alone.
    """
    rng_init, rng = jax.random.split(jax.random.key(seed))
    variables = model.init(rng_init, image, train=False)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        rng=rng,
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(params),
        average=jax.tree.map(jnp.copy, params) if average else None,
    )


def evaluated_params(state: TrainState) -> Any:
    """Return the parameters that are evaluated: the moving average where there is one."""
    return state.params if state.average is None else state.average
