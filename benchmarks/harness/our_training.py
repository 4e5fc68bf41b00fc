"""Our training as a contestant: the program that a run runs, on random images that take no time to get."""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

from mixup_jax.choices.networks import Network
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.mixing import Mix
from mixup_jax.models import build
from mixup_jax.models.layers import winograd
from mixup_jax.steps import recipe
from mixup_jax.steps.state import Mixer
from mixup_jax.training.loop import Run
from mixup_jax.training.watch import release_memory

SHAPES = {"digits": (8, 8, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
IMAGES = {"digits": 1442, "fashion_mnist": 60_000, "cifar10": 50_000}
"""For training."""


def random_images(count: int, shape: tuple[int, int, int] = (32, 32, 3), test: int = 256) -> Dataset:
    """Return a data set of noise; the time of a step does not depend on it."""
    generator = np.random.default_rng(0)
    image, test_image = (generator.integers(0, 256, (n, *shape), np.uint8) for n in (count, test))
    label, test_label = (generator.integers(0, 10, n, np.int32) for n in (count, test))
    constants = (0.5,) * shape[-1], (0.25,) * shape[-1]
    return Dataset("noise", "SYNTHETIC", tuple("0123456789"), image, label, test_image, test_label, *constants)


def images_of(config: Config) -> int:
    """Return how many images the configuration trains on."""
    return config.data.train_examples or IMAGES[config.data.dataset]


def noise_for(config: Config) -> Dataset:
    """Return noise for the configuration's data set: images as large, as many of them, but 64 batches at most."""
    return random_images(min(images_of(config), 64 * config.batch_size), SHAPES[config.data.dataset])


class Training:
    """A run without its loop: the state, and the compiled program that takes many steps.

    It trains on noise unless data are given. Without `mixing` it is compiled without a line of that, which is what who
    never heard of mixup would have: ERM as a run does it is no less work than mixup, alpha 0 in the same program.
    """

    def __init__(self, config: Config, data: Dataset | None = None, *, devices: int | None = None, mixing: bool = True):
        made = recipe.mixer_of if mixing else lambda *_: Mixer(draw=_no_plan, carry_out=lambda plan, own, other: own)
        with patch.object(recipe, "mixer_of", made):
            self.run = Run(config, data or noise_for(config), Path("unused"), devices=jax.devices()[:devices])
            self.carry = self.run.start()
            self.program: Any = self.run.programs.train.lower(*self._arguments(1)).compile()
        release_memory()

    def _arguments(self, count: int) -> tuple:
        return *self.carry, self.run.alpha, self.run.train, np.int32(count)

    def __call__(self, count: int) -> None:
        """Take that many steps, in calls of an epoch at most, as the loop does."""
        while count:
            now = min(count, self.run.max_steps_per_call)
            self.carry = self.program(*self._arguments(now))
            count -= now
        jax.block_until_ready(self.carry)


def _no_plan(rng: Any, x: Any, *_: Any) -> Mix:
    return Mix(jnp.ones(len(x)), jnp.arange(len(x)))


def gigaflop(config: Config) -> float:
    """Return the arithmetic of a step of all networks, in 1e9 floating-point operations, two for a multiply-add.

    Three times what XLA counts for the forward pass with direct convolutions, whatever way a CPU takes.
    """
    return 3e-9 * config.batch_size * len(config.runs) * _forward_flops(config.model, config.data.dataset)


@cache
def _forward_flops(network: Network, dataset: str) -> float:
    model, shape = build(network, 10), SHAPES[dataset]
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, *shape)), train=False))
    with patch.object(winograd, "suits", lambda *_: False):
        lowered = jax.jit(lambda variables, image: model.apply(variables, image, train=False)).lower(variables, image)
    cost: Any = lowered.cost_analysis()
    return float(cost["flops"])
