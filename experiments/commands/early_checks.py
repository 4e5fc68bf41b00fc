"""What is wrong with a command, told before its data are read: to decode the files of a folder may take minutes."""

from pathlib import Path

import jax
import jax.numpy as jnp

from mixup_jax.choices import IMAGE_SIZE, Data
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.data.images.layouts import find_pictures
from mixup_jax.data.sources import check_name, check_padding
from mixup_jax.methods import mix_at
from mixup_jax.methods.latent import INPUT
from mixup_jax.mixing import Mix
from mixup_jax.steps.frozen import check_given
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import Recipe
from mixup_jax.weights.initial import check_init, initial_weights

MANY = 2**31 - 1
"""Training photographs of a folder that nobody has counted yet: no option is refused for want of them."""


def check_early(config: Config) -> None:
    """Raise what is wrong with a configuration, as far as it can be known without its data.

    Where photographs are streamed from a folder, their size is an option and their classes are the names of folders:
    network, layers and initial weights are built for these, without a file of it being opened.
    """
    check_name(config.data.dataset)
    check_init(config)
    if config.train_from is not None and config.init is None:
        raise ValueError(f"train_from {config.train_from} is for --init, whose first layers it keeps: leave it out.")
    check_padding(config.data, config.data.dataset)
    if config.data.is_streamed and config.data.is_folder:
        data = _announced(config.data)
        recipe = make_recipe(config, data)
        _check_layer(recipe, data.image_shape)
        if config.init is not None:
            check_given(recipe, data.image_shape, initial_weights(config, data).arrays)


def _announced(config: Data) -> DataIdentity:
    """Return what the names of a folder's files and the options say of its data."""
    listing = find_pictures(Path(config.dataset.partition(":")[2]), config.split)
    size = config.image_size or IMAGE_SIZE
    shape, half = (size, size, 3), (0.5,) * 3
    return DataIdentity("REAL", listing.classes, shape, half, half, MANY, len(listing.parts["test"]), True, {})


def _check_layer(recipe: Recipe, image_shape: tuple[int, ...]) -> None:
    """Raise ValueError where the layer to mix at is none of the network."""

    def apply(image: jax.Array) -> None:
        variables = recipe.model.init(jax.random.key(0), image, train=False)
        with mix_at(Mix(jnp.ones(1), jnp.zeros(1, jnp.int32)), recipe.layer):
            recipe.model.apply(variables, image, train=False)

    if recipe.layer != INPUT:
        jax.eval_shape(apply, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
