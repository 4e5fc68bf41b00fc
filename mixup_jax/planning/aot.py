"""Compile the training step ahead of time: for devices and data that this machine does not have."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from mixup_jax.choices import IMAGE_SIZE
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.runtime.devices.mesh import make_mesh, shard
from mixup_jax.steps.recipe import for_decoded, make_recipe
from mixup_jax.steps.state import Recipe, TrainState, init_state
from mixup_jax.steps.train_step import train_step
from mixup_jax.training.fsdp import in_parts

DATASETS = {
    "imagenet": ((IMAGE_SIZE, IMAGE_SIZE, 3), 1000, 1_281_167),
    "cifar10": ((32, 32, 3), 10, 50_000),
    "cifar100": ((32, 32, 3), 100, 50_000),
    "fashion_mnist": ((28, 28, 1), 10, 60_000),
}
"""Name -> shape of an image, classes, training images."""


def identity(config: Config) -> DataIdentity:
    """Return the identity of the data of a run, without the data; raises ValueError where it is not in `DATASETS`."""
    if config.data.dataset not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)} to plan with, got {config.data.dataset!r}.")
    shape, count, examples = DATASETS[config.data.dataset]
    size, half = config.data.image_size, (0.5,) * shape[-1]
    return DataIdentity(
        mark="",
        classes=tuple(map(str, range(count))),
        image_shape=(size, size, 3) if size else shape,
        mean=half,
        std=half,
        train_count=min(config.data.train_examples or examples, examples),
        test_count=0,
        streamed=config.data.is_streamed,
        digests={},
    )


def compile_step(config: Config, devices: Sequence[Any], *, fsdp: bool = False) -> Any:
    """Compile the step of a run, for one seed, on all of the devices; nothing is computed.

    Raises ValueError for a batch that cannot be split over the devices, and where the chip has too little memory.
    """
    lowered = lower_step(config, devices, fsdp=fsdp)
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = next((line for line in str(error).splitlines() if "hbm" in line.lower()), str(error).splitlines()[0])
        remat = ", --remat" if getattr(config.model, "remat", True) is False else ""
        remat += ", --fsdp" if len(devices) > 1 and not fsdp else ""
        raise ValueError(
            f"batch_size {config.batch_size} on {len(devices)} devices needs more memory than a chip has "
            f"({reason.strip()}): choose a smaller one, --accumulate{remat}, or more chips."
        ) from None


def lower_step(config: Config, devices: Sequence[Any], *, fsdp: bool = False) -> Any:
    """Lower the step of a run, batch split over devices and state on each or in parts, donated, as training does."""
    mesh = make_mesh(1, config.batch_size, devices)
    everywhere, split = shard(mesh), shard(mesh, "data")
    state, recipe = state_on(mesh, config, fsdp=fsdp)
    layout = jax.tree.map(lambda leaf: leaf.sharding, state)
    alpha = jax.ShapeDtypeStruct((), jnp.float32, sharding=everywhere)
    options = compiler_options(devices[0].platform)
    step = jax.jit(
        partial(train_step, recipe=recipe),
        donate_argnums=0,
        out_shardings=(layout, everywhere),
        compiler_options=options,
    )
    return step.lower(state, abstract_batch(config, split), alpha)


def abstract_batch(config: Config, sharding: Any) -> dict[str, Any]:
    """Return the shapes and dtypes of a batch."""
    size, shape = config.batch_size, identity(config).image_shape
    return {
        "image": jax.ShapeDtypeStruct((size, *shape), jnp.uint8, sharding=sharding),
        "label": jax.ShapeDtypeStruct((size,), jnp.int32, sharding=sharding),
    }


def asked_flops(config: Config, devices: int) -> float:
    """Return the operations of a step for each device, of the program as JAX hands it to a compiler.

    The whole batch's, divided by the devices: the optimiser's, which each device repeats, are counted once in all. A
    GPU's compiler does not say what it made of them, and a TPU's leaves out products that it does piece by piece while
    their parameters arrive (of ViT-L with --fsdp a quarter of a step).
    """
    step = jax.jit(partial(train_step, recipe=step_recipe(config)))
    alpha = jax.ShapeDtypeStruct((), jnp.float32)
    traced = step.trace(abstract_state(config), abstract_batch(config, None), alpha)
    counts = traced.lower(lowering_platforms=("cuda",)).cost_analysis()
    assert counts is not None
    return counts["flops"] / devices


def step_recipe(config: Config) -> Recipe:
    """Return the recipe of the step; photographs are augmented on the host, while they are decoded."""
    recipe = make_recipe(config.within_training(), identity(config))
    return for_decoded(recipe) if config.data.dataset == "imagenet" else recipe


def abstract_state(config: Config) -> TrainState:
    """Return the shapes and dtypes of the training state of one seed."""
    recipe, image = step_recipe(config), jnp.zeros((1, *identity(config).image_shape))
    return jax.eval_shape(
        lambda: init_state(0, recipe.model, recipe.optimizer, image, average=recipe.ema > 0, frozen=recipe.frozen)
    )


def state_on(mesh: Mesh, config: Config, *, fsdp: bool = False) -> tuple[TrainState, Recipe]:
    """Return the training state of one seed as it lies on a mesh, its shapes and shardings; and the recipe of its step.

    Raises ValueError where there is nothing that `fsdp` could split.
    """
    state, recipe = abstract_state(config), step_recipe(config)
    everywhere = jax.tree.map(lambda _: shard(mesh), state)
    layout, recipe = in_parts(recipe, mesh, state) if fsdp else (everywhere, recipe)
    placed = lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)  # noqa: E731
    return jax.tree.map(placed, state, layout), recipe
