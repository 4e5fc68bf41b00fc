"""What a step changes, the state, and what stays fixed, the recipe."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array

from mixup_jax.methods.latent import INPUT
from mixup_jax.steps.frozen import trained_part, whole

Rate = Callable[..., Any]
"""A number as a function of the step, which may be traced."""


@dataclass(frozen=True)
class Mixer:
    """How a method mixes a batch, but for alpha, an argument of the step."""

    draw: Callable[..., Any]
    """``(rng, x, alpha, step, partner) -> plan`` for images x (batch, height, width, ...), among which partners are."""
    carry_out: Callable[..., Any]
    """``(plan, tree, other) -> tree``."""
    partner: str = "permutation"
    group: int = 0
    """Examples that are matched at once, for partner optimal."""
    block: int | None = None
    larger_label: bool = False
    """Labels are not mixed: that of the example which weighs more is kept."""
    sees_images: bool = False
    """What is pasted depends on all images of the batch."""
    noise: tuple[float, float] | None = None
    """Levels of the additive and the multiplicative noise on mixed images, for noisy feature mixup."""
    eta: float | None = None
    """Weight of the loss of mixtures, which come beside the clean examples, for RegMixup."""


@dataclass(frozen=True)
class Recipe:
    """What a step does, apart from numbers that may be traced: fixed when the program is built (steps/recipe.py)."""

    model: nn.Module
    optimizer: optax.GradientTransformation
    schedule: Rate
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    loss: Callable[[Array, Array], Array]
    """``(logits, soft targets) -> (batch,)``."""
    pad_crop: int = 0
    flip: bool = False
    augment: Callable[[Array, Array, Array], Array] = lambda rng, image, rows: image
    """``(rng, image, rows) -> image``: what else is done to pixels; `rows` are the images' places in the batch."""
    erase: float = 0.0
    noise: float = 0.0
    repeats: int = 1
    mixer: Mixer | None = None
    """None is ERM."""
    layer: str = INPUT
    """The layer whose input is mixed."""
    label_smoothing: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    frozen: tuple[str, ...] = ()
    """Paths of the layers that are not trained."""
    axis_name: str | None = None
    norm_block: int | None = None
    """Rows that BatchNorm, which knows it too, normalises together: a micro-batch is made of whole runs."""
    matmul_precision: str = "default"
    gather: Callable[[Any], Any] = lambda params: params
    """Puts parameters together that lie in parts on a mesh (training/fsdp.py)."""

    def precision(self) -> AbstractContextManager[None]:
        """Let products that are traced in the context have the precision; the default one leaves JAX's setting."""
        return precision(self.matmul_precision)


def precision(name: str) -> AbstractContextManager[None]:
    """Return a context in which JAX's products of float32 numbers have a precision: `Config.matmul_precision`.

    >>> with precision("highest"):
    ...     "HIGHEST" in str(jax.make_jaxpr(jnp.dot)(jnp.ones(2), jnp.ones(2)))
    True
    """
    return nullcontext() if name == "default" else jax.default_matmul_precision(name)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that a step changes, and the key that it draws from.

    `step` counts optimiser steps (int32). `rng` never changes: step k draws from ``fold_in(rng, k)``, so there is no
    generator state to lose. `average` holds moving averages of `params` and `batch_stats`, None when it is off. Over
    several seeds every leaf has a leading axis.
    """

    step: Any  # not Array: Orbax and jax.tree.map also build it from shapes, shardings and None
    rng: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    average: Any


def init_state(
    seed: int | Array,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image: Array,
    *,
    average: bool = False,
    frozen: tuple[str, ...] = (),
    given: Mapping[str, Any] | None = None,
) -> TrainState:
    """Initialise the state of a seed; `image` is a float (batch, ...) array of the shape that the model takes.

    The seed may be traced: ``vmap(init_state)`` over seeds starts many runs, each as it would start alone. Weights and
    statistics that are `given`, by their paths such as "stem/conv/kernel", take the place of those that are drawn;
    the optimiser and the averages start from them too. The optimiser knows nothing of the layers that are `frozen`.

    Raises ValueError where a given array is no part of the network, or has another shape.
    """
    rng_init, rng = jax.random.split(jax.random.key(seed))
    variables = with_given(model.init(rng_init, image, train=False), given or {})
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        rng=rng,
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(trained_part(params, frozen)),
        average=jax.tree.map(jnp.copy, _variables(params, batch_stats)) if average else None,
    )


def with_given(variables: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a network, those that are given by their paths in the place of its own.

    >>> with_given({"params": {"head": {"bias": jnp.zeros(1)}}}, {"head/bias": jnp.ones(1)})["params"]["head"]["bias"]
    Array([1.], dtype=float32)
    """
    left = dict(given)

    def chosen(path: Any, leaf: Array) -> Array:
        name = jax.tree_util.keystr(path[1:], simple=True, separator="/")
        if name not in left:
            return leaf
        array = jnp.asarray(left.pop(name), leaf.dtype)
        if array.shape != leaf.shape:
            raise ValueError(f"the given {name} is {array.shape}; the network needs {leaf.shape}.")
        return array

    found = jax.tree_util.tree_map_with_path(chosen, dict(variables))
    if left:
        raise ValueError(f"the given {next(iter(left))} is no part of the network.")
    return found


def evaluated_variables(state: TrainState) -> dict[str, Any]:
    """Return the `params` and `batch_stats` that are evaluated: their moving averages where there are some."""
    return _variables(state.params, state.batch_stats) if state.average is None else state.average


def update_average(
    average: Any, params: Any, batch_stats: Any, step: Array, decay: float, frozen: tuple[str, ...] = ()
) -> Any:
    """Return the averages after the step number `step`, from 0: ``d * average + (1 - d) * new``; None stays None.

    Statistics of BatchNorm are averaged like weights: those of other weights do not fit to averaged ones. The decay is
    warmed up, ``d = min(decay, (1 + step) / (10 + step))``, or short runs would keep their first weights. The averages
    of `frozen` layers are what these hold, to the bit.
    """
    if average is None:
        return None
    warm = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    new = _variables(params, batch_stats)
    average = optax.incremental_update(new, average, 1 - warm)
    return {name: whole(trained_part(tree, frozen), new[name]) for name, tree in average.items()}


def share_of_start(decay: float, steps: int) -> float:
    """Return how much of the averages is still the first weights, drawn at random, after so many steps.

    >>> round(share_of_start(0.999, 1), 6), round(share_of_start(0.999, 10), 6)
    (0.1, 1.1e-05)
    """
    share = 1.0
    for step in range(steps):
        share *= min(decay, (1 + step) / (10 + step))
        if share < 1e-6:
            break
    return share


def _variables(params: Any, batch_stats: Any) -> dict[str, Any]:
    return {"params": params, "batch_stats": batch_stats}
