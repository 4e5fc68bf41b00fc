"""Laws of options: each changes what is trained, measured or seen, or is refused; what a preset leaves is no error."""

import functools
import hashlib
import re
import typing
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import batch_indices
from tiny_runs import DATA, MLP, PREACT, Run, changed

from experiments.commands.command_line import all_options
from experiments.commands.notices import fit_to
from mixup_jax.choices import OF_FOLDERS, OF_PHOTOGRAPHS
from mixup_jax.choices.networks import WideResNet
from mixup_jax.config import CHOICES, Config, usual
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.sources import check_name, prepare
from mixup_jax.runtime.devices.mesh import make_mesh
from mixup_jax.runtime.identity import plain
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import train_step
from mixup_jax.stored_config import read
from mixup_jax.training.loop import evaluation_steps
from mixup_jax.training.programs import place_examples, repeat_indices
from mixup_jax.weights.initial import normalized_as

BASES = {
    "mixup": changed(MLP, schedule="step", decay_epochs=(1.0, 2.0), warmup_epochs=0.5),
    "preact": PREACT,
    "erm of mlp": changed(MLP, alpha=0.0),
    "alphas": changed(MLP, alphas=(0.5, 2.0), schedule="step", decay_epochs=(1.0,)),
    "cutmix": changed(MLP, method="cutmix", partner="neighbours", neighbours=20, optimizer="adam"),
    "switch": changed(PREACT, method="switch", schedule="constant", warmup_epochs=1.0, weight_decay=0.0),
    "timm": changed(MLP, augment="randaugment"),
    "big_vision": changed(MLP, augment="big_vision_randaugment"),
    "hidden": changed(PREACT, layer="stage1", momentum=0.0),
    "gridmix": changed(MLP, method="gridmix", partner="optimal", group=4),
    **{
        name: changed(MLP, method=name)
        for name in ("fmix", "resizemix", "saliencymix", "noisy_feature_mixup", "dirichlet", "regmixup")
    },
    "remat": changed(MLP, model="densenet", width=4, blocks=(2,)),
    "vit": changed(MLP, model="vit", width=16, depth=2, patch=2, stochastic_depth=0.1),
    "adamw": changed(PREACT, optimizer="adamw", schedule="linear", warmup_epochs=1.0, loss="bce"),
    "lamb": changed(PREACT, optimizer="lamb", alpha=0.0, loss="bce", sum_classes=True),
}
NAMES = sorted({name for base in BASES.values() for name in all_options(base)} | set(CHOICES))
VALUES = {  # another value of each field, where its type does not say one
    "dataset": "fashion_mnist",
    "train_subset": (1, 2),
    "validation": 8.0,
    "train_examples": 40,
    "label_noise": 0.5,
    "noise": 0.25,
    "color_jitter": 0.25,
    "erase": 0.25,
    "operations": 3,
    "magnitude": 5.0,
    "magnitude_std": 0.25,
    "operation_probability": 0.75,
    "pad_crop": 2,
    "repeats": 2,
    "split": (0.75, 0.25),
    "image_size": 64,
    "test_size": 64,
    "test_crop": 0.5,
    "width": 6,
    "blocks": (3,),
    "dropout": 0.25,
    "depth": 1,
    "heads": 2,
    "patch": 3,
    "layer_scale": 0.1,
    "stochastic_depth": 0.25,
    "head_bias": -1.0,
    "alpha": 0.75,
    "cutmix_alpha": 0.75,
    "switch_probability": 0.25,
    "probability": 0.75,
    "phase_out": (0.5, 0.75),
    "unmixed_epochs": 1.0,
    "neighbours": 5,
    "group": 8,
    "fmix_decay": 2.0,
    "cells": 3,
    "period": 3,
    "resize": (0.25, 0.5),
    "additive_noise": 0.125,
    "multiplicative_noise": 0.125,
    "examples": 4,
    "eta": 0.5,
    "layer": "head",
    "block": 4,
    "label_smoothing": 0.1,
    "lr": 0.025,
    "momentum": 0.5,
    "weight_decay": 0.01,
    "clip": 0.25,
    "layer_decay": 0.75,
    "beta1": 0.8,
    "beta2": 0.99,
    "eps": 1e-4,
    "target_threshold": 0.25,
    "end_lr": 1e-4,
    "decay_epochs": (2.0,),
    "decay_factor": 0.5,
    "warmup_epochs": 2.0,
    "warmup_start": 0.01,
    "train_from": "head",
    "accumulate": 4,
    "norm_block": 8,
    "ema": 0.5,
    "batch_size": 8,
    "epochs": 3.0,
    "eval_every": 1.0,
    "init": "runs/earlier",
    "seed": 7,
    "seeds": 3,
}


def part_of(config, name):
    """Return the part of a configuration that has an option, None where no part has it."""
    parts = (config, config.data, *(getattr(config, part) for part in CHOICES))
    return next((part for part in parts if name in vars(part)), None)


def others(config, name):
    """Return configurations with other values of an option: all that its type allows, if it lists them."""
    part = part_of(config, name)
    if name in CHOICES:
        if name == "model":
            return [replace(config, model=WideResNet(width=4, blocks=(1,)))]
        kinds = [kind for each, kind in CHOICES[name].items() if each != getattr(config, name).name]
        return [replace(config, **{name: kind()}) for kind in kinds]
    if part is None:
        return []
    hint, value = typing.get_type_hints(type(part))[name], getattr(part, name)
    values = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else [VALUES.get(name, not value)]
    return [(name, each) for each in values if each != value]


def with_value(config, name, value):
    return changed(config, **{name: value})


def trained(config):
    """Return a digest of all that the outcome depends on: the data, the program of a step, the steps, the networks."""
    check_name(config.data.dataset)
    data, _ = prepare(hold_out(DATA, config.data.validation), config.data)
    data = normalized_as(data, config.normalize, None)
    recipe, eval_steps = make_recipe(config, data), evaluation_steps(data.train_count, data.test_count, config)
    blank = jnp.zeros((1, *data.image_shape))

    def start(seed):
        return init_state(seed, recipe.model, recipe.optimizer, blank, average=recipe.ema > 0, frozen=recipe.frozen)

    shape = jax.eval_shape(start, 0)
    size = config.batch_size
    batch = {"image": jnp.zeros((size, *data.image_shape), jnp.uint8), "label": jnp.zeros(size, jnp.int32)}
    examples = place_examples(make_mesh(1, 8, jax.devices()[:1]), data, config.mixing)
    if examples.table is not None:
        batch |= {f"partner_{name}": leaf for name, leaf in batch.items()}
    alphas, seeds = zip(*config.runs, strict=True)
    steps = [jax.make_jaxpr(lambda s, b, a=alpha: train_step(s, b, a, recipe))(shape, batch) for alpha in alphas]
    repeats = config.data.repeats
    index = repeat_indices(batch_indices(jax.random.key(0), 0, size // repeats, data.train_count), repeats)
    evaluated = [eval_steps, seeds, config.data.dataset, config.init, recipe.model, index.tolist()]
    constants = [constant for step in steps for constant in step.consts]
    arrays = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((examples, constants))]
    return hashlib.sha256(repr([*map(str, steps), *evaluated, *arrays]).encode()).hexdigest()


@functools.cache
def digest_of(base):
    return trained(BASES[base])


def outcome(config, change):
    """Return the reason for which a change is refused, or the digest of what it trains."""
    try:
        return None, trained(with_value(config, *change) if isinstance(change, tuple) else change)
    except ValueError as error:
        return str(error), None


ELSEWHERE = (*OF_FOLDERS, *OF_PHOTOGRAPHS, "nyquist", "mix")  # photographs and speech


@pytest.mark.thorough
@pytest.mark.parametrize("most", [1, pytest.param(len(BASES), marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", NAMES)
def test_every_option_changes_what_is_trained_or_is_refused(name, most):
    """One value that is accepted, with those that are refused before; or all values of several configurations."""
    accepted = 0
    for base, config in BASES.items():
        for change in others(config, name) if accepted < most else []:
            if most == 1 and accepted:
                break
            reason, digest = outcome(config, change)
            if reason is None:
                assert digest != digest_of(base), (base, change)
            else:
                assert "\n" not in reason
                needed = f"{name}|warmup_epochs|momentum|weight_decay|block|layer|neighbours|decay_epochs|norm layers"
                needed += "|pool|group|period|BatchNorm"
                assert re.search(needed, reason), reason
            accepted += reason is None
    assert (accepted > 0) == (name not in ELSEWHERE)


def test_all_options_are_tried():
    assert {name for kinds in CHOICES.values() for kind in kinds.values() for name in vars(kind())} <= {*NAMES, "name"}
    assert set(VALUES) <= set(NAMES)


@pytest.mark.parametrize("base", BASES)
def test_a_configuration_is_read_back_from_json(base):
    config = BASES[base]
    assert read(Config(), plain(config)) == config
    assert usual(config) == read(usual(config), {part: {"name": getattr(config, part).name} for part in CHOICES})


def test_a_configuration_of_before_there_was_a_choice_of_losses_means_what_it_meant():
    stored = plain(PREACT)
    for part, name in (
        ("optimizer", "clip"),
        ("optimizer", "layer_decay"),
        ("schedule", "end_lr"),
        ("schedule", "lr_per"),
    ):
        del stored[part][name]
    del stored["loss"], stored["schedule"]["warmup_prefix"]
    assert read(usual(PREACT), stored) == PREACT


def test_more_images_than_there_are_are_all_of_them_and_it_is_said(capsys):
    config = changed(MLP, train_examples=4000)
    assert fit_to(config, DATA) == MLP
    assert "48 training images, fewer than --train-examples 4,000" in capsys.readouterr().out
    assert fit_to(replace(config, data=replace(config.data, train_subset=(0, 3))), DATA).data.train_examples is None
    assert "16 training images" in capsys.readouterr().out
    for count in (None, 48, 20):
        assert fit_to(changed(MLP, train_examples=count), DATA).data.train_examples == count
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pad_crop": 6}, "pad_crop must be less than the sides of 6 x 6, got 6"),
        ({"warmup_epochs": 1e-300}, r"warmup_epochs must be 0 or at least a step, 0.333 epochs, got 1e-300"),
        ({"unmixed_epochs": 0.1}, r"unmixed_epochs must be 0 or at least a step, 0.333 epochs, got 0.1"),
        (
            {"schedule": "step", "decay_epochs": (1.0, 4.0)},
            r"decay_epochs must lie within .* 4 epochs, got \(1.0, 4.0\)",
        ),
        ({"decay_norm": False}, "decay_norm is for networks with norm layers, and mlp has none"),
    ],
)
def test_what_does_not_go_with_the_data_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_recipe(changed(MLP, **change), DATA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 64}, "batch_size is 64; it must be between 1 and the 48 images"),
        ({"batch_size": 10**9}, "batch_size is 1000000000; it must be between 1 and the 48 images"),
        ({"eval_every": 1e-300}, "eval_every must be at least a step, 0.333 epochs, got 1e-300"),
    ],
)
def test_steps_that_do_not_fit_to_the_data_are_refused_before_anything_is_made(change, message):
    with pytest.raises(ValueError, match=message):
        Run(changed(MLP, **change))
