"""Presets of today's recipes: each field as published, each a network that can be built and a step that lowers."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from experiments.commands.naming import method
from experiments.imagenet.presets import ImageNet, paper
from experiments.imagenet.recipes import IMAGES, RECIPES
from mixup_jax.config import Config
from mixup_jax.models import build
from mixup_jax.models.size import size
from mixup_jax.planning.aot import abstract_batch, abstract_state, step_recipe
from mixup_jax.steps.optim import learning_rate
from mixup_jax.steps.train_step import train_step

# epochs, batch, optimiser, learning rate, weight decay, clip, warm-up, end rate, loss, smoothing, mixup, CutMix
PUBLISHED = {
    "vit-s16-90": (90, 1024, "adamw", 1e-3, 0.1, 1.0, 10_000, 0.0, "softmax", 0.0, 0.2, None),
    "vit-s16-150": (150, 1024, "adamw", 1e-3, 0.1, 1.0, 10_000, 0.0, "softmax", 0.0, 0.2, None),
    "vit-s16-300": (300, 1024, "adamw", 1e-3, 0.1, 1.0, 10_000, 0.0, "softmax", 0.0, 0.2, None),
    "deit-ti16": (300, 1024, "adamw", 5e-4 * 1024 / 512, 0.05, None, 5.0, 1e-5, "softmax", 0.1, 0.8, 1.0),
    "deit-s16": (300, 1024, "adamw", 5e-4 * 1024 / 512, 0.05, None, 5.0, 1e-5, "softmax", 0.1, 0.8, 1.0),
    "deit-b16": (300, 1024, "adamw", 5e-4 * 1024 / 512, 0.05, None, 5.0, 1e-5, "softmax", 0.1, 0.8, 1.0),
    "deit3-s16": (800, 2048, "lamb", 4e-3, 0.05, 1.0, 5.0, 1e-5, "bce", 0.0, 0.8, 1.0),
    "resnet50-a1": (600, 2048, "lamb", 5e-3, 0.01, 1.0, 5.0, 1e-6, "bce", 0.1, 0.2, 1.0),
    "resnet50-a2": (300, 2048, "lamb", 5e-3, 0.02, 1.0, 5.0, 1e-6, "bce", 0.0, 0.1, 1.0),
    "resnet50-a3": (100, 2048, "lamb", 8e-3, 0.02, 1.0, 5.0, 1e-6, "bce", 0.0, 0.1, 1.0),
    "convnext-tiny": (300, 4096, "adamw", 4e-3, 0.05, None, 20.0, 1e-6, "softmax", 0.1, 0.8, 1.0),
    # 1e-5 there is a share of the highest rate
    "mixer-b16": (300, 4096, "adamw", 1e-3, 0.1, 1.0, 10_000, 1e-5 * 1e-3, "bce", 0.0, 0.5, None),
}

# augmentation, magnitude, repeats, erasing, colour jitter, crop, resizing, share at test, sizes, EMA, stochastic
# depth, parameters
INPUTS = {
    "vit-s16": ("big_vision_randaugment", 10, 1, 0, 0, "tensorflow", "linear", 0.875, None, None, 0, 0, 22_122_472),
    "deit-ti16": ("randaugment", 9, 3, 0.25, 0, "torchvision", "bicubic", 0.875, None, None, 0.99996, 0.1, 5_717_416),
    "deit-s16": ("randaugment", 9, 3, 0.25, 0, "torchvision", "bicubic", 0.875, None, None, 0.99996, 0.1, 22_050_664),
    "deit-b16": ("randaugment", 9, 3, 0.25, 0, "torchvision", "bicubic", 0.875, None, None, 0.99996, 0.1, 86_567_656),
    "deit3-s16": ("three_augment", None, 3, 0, 0.3, "torchvision", "bicubic", 1.0, None, None, 0, 0.05, 22_059_496),
    "resnet50-a1": ("randaugment", 7, 3, 0, 0, "torchvision", "bicubic", 0.95, None, None, 0, 0.05, 25_557_032),
    "resnet50-a2": ("randaugment", 7, 3, 0, 0, "torchvision", "bicubic", 0.95, None, None, 0, 0.05, 25_557_032),
    "resnet50-a3": ("randaugment", 6, 1, 0, 0, "torchvision", "bicubic", 0.95, 160, 224, 0, 0, 25_557_032),
    "convnext-tiny": (
        "randaugment",
        9,
        1,
        0.25,
        0,
        "torchvision",
        "bicubic",
        0.875,
        None,
        None,
        0.9999,
        0.1,
        28_589_128,
    ),
    "mixer-b16": ("big_vision_randaugment", 15, 1, 0, 0, "tensorflow", "linear", 0.875, None, None, 0, 0.1, 59_880_472),
}

ACCURACY = {
    "vit-s16-90": 76.5,
    "vit-s16-150": 78.5,
    "vit-s16-300": 80.0,
    "deit-ti16": 72.2,
    "deit-s16": 79.9,
    "deit-b16": 81.8,
    "deit3-s16": 81.4,
    "resnet50-a1": 80.4,
    "resnet50-a2": 79.8,
    "resnet50-a3": 78.1,
    "convnext-tiny": 82.1,
    "mixer-b16": 76.3,
}


def test_every_recipe_is_in_the_tables():
    assert list(RECIPES) == list(PUBLISHED) == list(ACCURACY)
    assert {name.removesuffix("-90").removesuffix("-150").removesuffix("-300") for name in RECIPES} == set(INPUTS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_training_is_as_published(name):
    config = RECIPES[name].config
    warmup = config.schedule.warmup_epochs
    steps = round(warmup * IMAGES / config.batch_size)
    ours = (
        config.epochs,
        config.batch_size,
        config.optimizer.name,
        config.optimizer.lr,
        config.optimizer.weight_decay,
        config.optimizer.clip,
        steps if steps == 10_000 else warmup,
        config.schedule.end_lr,
        config.loss.name,
        config.label_smoothing,
        config.mixing.alpha,
        getattr(config.mixing, "cutmix_alpha", None),
    )
    for mine, theirs in zip(ours, PUBLISHED[name], strict=True):
        assert mine == (theirs if isinstance(theirs, str | None) else pytest.approx(theirs)), (ours, PUBLISHED[name])
    assert getattr(config.mixing, "switch_probability", 0.5) == 0.5
    assert config.mixing.probability == 1
    assert config.optimizer.decay == "kernels"


@cache
def parameters(model, side):
    return size(build(model, 1000), (side, side, 3)).parameters


@pytest.mark.thorough
@pytest.mark.parametrize("name", RECIPES)
def test_images_and_network_are_as_published(name):
    config, expected = RECIPES[name].config, INPUTS[name if name in INPUTS else name.rsplit("-", 1)[0]]
    data = config.data
    assert expected == (
        config.augment.name,
        getattr(config.augment, "magnitude", None),
        data.repeats,
        data.erase,
        data.color_jitter,
        data.crop,
        data.interpolation,
        data.test_crop,
        data.image_size,
        data.test_size,
        config.ema,
        config.model.stochastic_depth,
        parameters(config.model, data.image_size or 224),
    )


def test_the_targets_of_binary_cross_entropy_are_as_published():
    losses = {
        name: (each.loss.target_threshold, each.loss.sum_classes)
        for name, (_, each, *_) in RECIPES.items()
        if each.loss.name == "bce"
    }
    assert losses == {
        "deit3-s16": (0.0, False),
        "resnet50-a1": (None, False),
        "resnet50-a2": (0.0, False),
        "resnet50-a3": (0.0, False),
        "mixer-b16": (None, True),
    }


@pytest.mark.parametrize("name", ["vit-s16-90", "deit-s16", "resnet50-a2", "convnext-tiny", "mixer-b16"])
def test_the_rate_rises_and_falls_to_its_end(name):
    config = RECIPES[name].config
    per_epoch = IMAGES / config.batch_size
    rate = learning_rate(config.schedule, config.optimizer.lr, per_epoch, config.epochs)
    steps = round(config.epochs * per_epoch)
    rates = np.array([float(rate(step)) for step in np.linspace(0, steps - 1, 200, dtype=int)])
    top = int(rates.argmax())
    assert 0 < top < 30
    assert (np.diff(rates[: top + 1]) >= 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates.max() <= config.optimizer.lr * (1 + 1e-6)
    assert rates[-1] == pytest.approx(config.schedule.end_lr, abs=1e-3 * config.optimizer.lr)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_of_a_recipe_has_its_published_error_and_another_has_none(name):
    config = RECIPES[name].config
    assert paper(config) == {"test_error": pytest.approx(100 - ACCURACY[name]), "source": paper(config)["source"]}
    assert paper(Config()) is None
    assert method(config)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["vit-s16-90", "deit-s16", "deit3-s16", "resnet50-a3", "convnext-tiny", "mixer-b16"])
def test_a_step_of_every_recipe_can_be_traced_at_its_width(name):
    """Of few layers, which are as many of one as of the other: tracing them is what this costs."""
    config = RECIPES[name].config
    few = {"depth": 2, "blocks": (1, 1, 1, 1)}
    few = {option: number for option, number in few.items() if hasattr(config.model, option)}
    config = replace(config, model=replace(config.model, **few))
    recipe, state = step_recipe(config), abstract_state(config)
    batch = abstract_batch(config, None)
    new, metrics = jax.eval_shape(lambda s, b: train_step(s, b, 0.8, recipe), state, batch)
    assert jax.tree.map(lambda leaf: leaf.shape, new) == jax.tree.map(lambda leaf: leaf.shape, state)
    assert metrics["loss"].shape == ()
    assert build(config.model, 1000, config.compute_dtype).dtype == "bfloat16"


def test_a_smoke_run_keeps_the_recipe_and_is_small():
    for each in RECIPES.values():
        small = ImageNet(each.config, smoke=True).effective()
        parts = ("augment", "mixing", "optimizer", "loss", "schedule")
        assert [type(getattr(small, part)) for part in parts] == [type(getattr(each.config, part)) for part in parts]
        assert small.batch_size == 16
