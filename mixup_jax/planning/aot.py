"""Compile the training step for devices that are not there, for data that is not there."""

import contextlib
import importlib.util
import os
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices import IMAGE_SIZE
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.runtime.mesh import make_mesh, shard
from mixup_jax.steps.recipe import for_decoded, make_recipe
from mixup_jax.steps.state import Recipe, TrainState, init_state
from mixup_jax.steps.train_step import train_step


class Outline(NamedTuple):
    """All that the cost of a step depends on, of a data set."""

    image_shape: tuple[int, ...]
    classes: int
    train_examples: int


DATASETS = {
    "imagenet": Outline((224, 224, 3), 1000, 1_281_167),
    "cifar10": Outline((32, 32, 3), 10, 50_000),
    "cifar100": Outline((32, 32, 3), 100, 50_000),
    "fashion_mnist": Outline((28, 28, 1), 10, 60_000),
}

MOST_CPUS = 512
"""Virtual devices of this machine; each has a thread of its own."""

WITHOUT_CHIPS = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""What libtpu is told: not to ask Google's cloud about this machine, and to let several plans be made at once."""


def devices_of(topology: str) -> Sequence[Any]:
    """Return the devices of a topology: ``cpu:8``, eight virtual ones of this machine, or a TPU's, as ``v5e:4x4``.

    TPU devices can be compiled for, not computed on. They need the package libtpu, and no chip.

    Raises ValueError for a topology that does not exist, and where libtpu is missing.

    >>> [device.platform for device in devices_of("cpu:1")]
    ['cpu']
    """
    kind, _, shape = topology.partition(":")
    if kind == "cpu":
        return _cpu_devices(topology, shape)
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("topology of a TPU needs libtpu, the extra [plan]: pip install '.[plan]', or take cpu:8.")
    from jax.experimental import topologies

    for name, value in WITHOUT_CHIPS.items():
        os.environ.setdefault(name, value)
    try:
        return topologies.get_topology_desc(topology, "tpu").devices
    except Exception as error:  # libtpu has no error of its own for this
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"topology must be one that libtpu knows, as v5e:4x4, got {topology!r} ({reason}).") from None


def _cpu_devices(topology: str, count: str) -> Sequence[Any]:
    if not (count.isascii() and count.isdigit() and len(count) < 9 and 1 <= int(count) <= MOST_CPUS):
        raise ValueError(f"topology of CPUs must be cpu:N with N at least 1 and at most {MOST_CPUS}, got {topology!r}.")
    with contextlib.suppress(RuntimeError):  # where JAX runs already, on as many as it was told
        jax.config.update("jax_num_cpu_devices", int(count))
    devices = jax.devices("cpu")
    if len(devices) < int(count):
        raise ValueError(f"topology {topology} needs {count} devices; this process has {len(devices)}.")
    return devices[: int(count)]


def outline(config: Config) -> Outline:
    """Return the outline of the data of a run; raises ValueError where it is not known."""
    if config.data.dataset not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)} to plan with, got {config.data.dataset!r}.")
    data = DATASETS[config.data.dataset]
    size, first = config.data.image_size or IMAGE_SIZE, config.data.train_examples
    data = data._replace(train_examples=min(first or data.train_examples, data.train_examples))
    return data._replace(image_shape=(size, size, 3)) if config.data.dataset == "imagenet" else data


def blank(data: Outline) -> Dataset:
    """Return data of this outline that takes no memory."""
    image = np.broadcast_to(np.zeros((), np.uint8), (data.train_examples, *data.image_shape))
    label = np.broadcast_to(np.zeros((), np.int32), data.train_examples)
    half = (0.5,) * data.image_shape[-1]
    classes = tuple(map(str, range(data.classes)))
    return Dataset("blank", "SYNTHETIC", classes, image, label, image[:1], label[:1], half, half)


def compile_step(config: Config, devices: Sequence[Any]) -> Any:
    """Compile the step of a run, for one seed, on all of the devices; nothing is computed.

    Raises ValueError for a batch that cannot be split over the devices, and where the chip has too little memory.
    """
    lowered = lower_step(config, devices)
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = next((line for line in str(error).splitlines() if "hbm" in line.lower()), str(error).splitlines()[0])
        remat = ", --remat" if getattr(config.model, "remat", True) is False else ""
        raise ValueError(
            f"batch_size {config.batch_size} on {len(devices)} devices needs more memory than a chip has "
            f"({reason.strip()}): choose a smaller one, --accumulate{remat}, or more chips."
        ) from None


def lower_step(config: Config, devices: Sequence[Any]) -> Any:
    """Lower the step of a run, batch split over the devices and state on each, donated, as training does."""
    mesh = make_mesh(1, config.batch_size, devices)
    recipe = step_recipe(config)
    everywhere, split = shard(mesh), shard(mesh, "data")
    state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere), abstract_state(config)
    )
    alpha = jax.ShapeDtypeStruct((), jnp.float32, sharding=everywhere)
    options = compiler_options(devices[0].platform)
    step = jax.jit(
        partial(train_step, recipe=recipe), donate_argnums=0, out_shardings=everywhere, compiler_options=options
    )
    return step.lower(state, abstract_batch(config, split), alpha)


def abstract_batch(config: Config, sharding: Any) -> dict[str, Any]:
    """Return the shapes and dtypes of a batch."""
    size, shape = config.batch_size, outline(config).image_shape
    return {
        "image": jax.ShapeDtypeStruct((size, *shape), jnp.uint8, sharding=sharding),
        "label": jax.ShapeDtypeStruct((size,), jnp.int32, sharding=sharding),
    }


def step_recipe(config: Config) -> Recipe:
    """Return the recipe of the step; photographs are augmented on the host, while they are decoded."""
    on_host = config.data.dataset == "imagenet"
    recipe = make_recipe(config.within_training(), blank(outline(config)))
    return for_decoded(recipe) if on_host else recipe


def abstract_state(config: Config) -> TrainState:
    """Return the shapes and dtypes of the training state of one seed."""
    data = outline(config)
    recipe, image = step_recipe(config), jnp.zeros((1, *data.image_shape))
    return jax.eval_shape(lambda: init_state(0, recipe.model, recipe.optimizer, image, average=recipe.ema > 0))
