"""Laws of options: each changes what is trained, measured or seen, or is refused; what a preset leaves is no error."""

import functools
import hashlib
import re
import typing
from dataclasses import fields, replace
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_runs import DATA, MLP, PREACT, Run, changed

from experiments.commands.given import names_of
from experiments.commands.running import fit_to, prepare
from mixup_jax.config import Config, Data, Mixing, Model, Optimizer
from mixup_jax.data.sources import check_name
from mixup_jax.runtime.mesh import make_mesh
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import train_step
from mixup_jax.training.options import APPLIES, check_options, idle, settled
from mixup_jax.training.programs import place_examples
from mixup_jax.training.setting import plan_steps

NAMES = names_of(Config())
BASES = {
    "mixup": changed(MLP, schedule="step", decay_epochs=(1.0, 2.0), warmup_epochs=0.5),
    "preact": PREACT,
    "erm of mlp": changed(MLP, alpha=0.0),
    "alphas": changed(MLP, alphas=(0.5, 2.0), schedule="step", decay_epochs=(1.0,)),
    "cutmix": changed(MLP, method="cutmix", partner="neighbours", neighbours=3, optimizer="adam"),
    "switch": changed(PREACT, method="switch", schedule="constant", warmup_epochs=1.0, weight_decay=0.0),
    "hidden": changed(PREACT, layer="stage1", momentum=0.0),
    "remat": changed(MLP, model="densenet", width=4, blocks=(2,)),
}
VALUES = {  # another value of each field, where its type does not say one
    "data.dataset": "fashion_mnist",
    "data.train_subset": (1, 2),
    "data.train_examples": 40,
    "data.label_noise": 0.5,
    "data.noise": 0.25,
    "data.pad_crop": 2,
    "data.image_size": 64,
    "model.model": "wide_resnet",
    "model.width": 6,
    "model.blocks": (3,),
    "model.dropout": 0.25,
    "mixing.alpha": 0.75,
    "mixing.alphas": (0.25, 0.75),
    "mixing.cutmix_alpha": 0.75,
    "mixing.switch_probability": 0.25,
    "mixing.probability": 0.75,
    "mixing.phase_out": (0.5, 0.75),
    "mixing.unmixed_epochs": 1.0,
    "mixing.neighbours": 5,
    "mixing.layer": "head",
    "mixing.block": 4,
    "mixing.label_smoothing": 0.1,
    "optimizer.lr": 0.025,
    "optimizer.momentum": 0.5,
    "optimizer.weight_decay": 0.01,
    "optimizer.decay_epochs": (2.0,),
    "optimizer.decay_factor": 0.5,
    "optimizer.warmup_epochs": 2.0,
    "optimizer.warmup_start": 0.01,
    "optimizer.accumulate": 4,
    "optimizer.ema": 0.5,
    "batch_size": 8,
    "epochs": 3.0,
    "eval_every": 1.0,
    "seed": 7,
    "seeds": 3,
}


def annotation(name):
    """Return the type of a field, ``part.name``."""
    part, _, field = name.rpartition(".")
    return typing.get_type_hints({"": Config, "data": Data, "model": Model, "mixing": Mixing}.get(part, Optimizer))[
        field
    ]


def others(name, value):
    """Return other values of a field: all that its type allows, if it lists them."""
    allowed = typing.get_args(annotation(name))
    if annotation(name) is bool:
        return [not value]
    if typing.get_origin(annotation(name)) is typing.Literal:
        return [each for each in allowed if each != value]
    return [VALUES[name]] if VALUES[name] != value else []


def with_value(config, name, value):
    part, _, field = name.rpartition(".")
    return replace(config, **{part: replace(getattr(config, part), **{field: value})} if part else {field: value})


def trained(config):
    """Return a digest of all that the outcome depends on: the data, the program of a step, the steps, the networks."""
    check_name(config.data.dataset)
    data, _ = prepare(DATA, config.data)
    check_options(config)
    recipe, plan = make_recipe(config, data), plan_steps(data.train_count, data.test_count, config)
    blank = jnp.zeros((1, *data.image_shape))

    def start(seed):
        return init_state(seed, recipe.model, recipe.optimizer, blank, average=recipe.ema > 0)

    shape = jax.eval_shape(start, 0)
    size = config.batch_size
    batch = {"image": jnp.zeros((size, *data.image_shape), jnp.uint8), "label": jnp.zeros(size, jnp.int32)}
    examples = place_examples(make_mesh(1, 8, jax.devices()[:1]), data, config.mixing)
    if examples.table is not None:
        batch |= {f"partner_{name}": leaf for name, leaf in batch.items()}
    alphas, seeds = zip(*config.runs, strict=True)
    steps = [jax.make_jaxpr(lambda s, b, a=alpha: train_step(s, b, a, recipe))(shape, batch) for alpha in alphas]
    evaluated = [plan, seeds, config.data.dataset, recipe.model]
    constants = [constant for step in steps for constant in step.consts]
    arrays = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((examples, constants))]
    return hashlib.sha256(repr([*map(str, steps), *evaluated, *arrays]).encode()).hexdigest()


@functools.cache
def digest_of(base):
    return trained(BASES[base])


def refused(config, name, value):
    """Return the reason for which another value of a field is refused, or the digest of what it trains."""
    try:
        return None, trained(with_value(config, name, value))
    except ValueError as error:
        return str(error), None


@pytest.mark.parametrize("most", [1, pytest.param(len(BASES), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_every_option_changes_what_is_trained_or_is_refused(name, most):
    accepted = 0
    for base, config in BASES.items():
        values = others(name, attrgetter(name)(config)) if accepted < most else []
        for value in values:
            reason, digest = refused(config, name, value)
            if reason is None:
                assert digest != digest_of(base), (base, value)
            else:
                assert "\n" not in reason
                assert re.search(rf"{name.rpartition('.')[2]}|warmup_epochs|momentum|block|layer|neighbours", reason), (
                    reason
                )
            accepted += reason is None
    elsewhere = ("data.image_size", "data.nyquist", "mixing.mix")  # photographs and speech
    assert (accepted > 0) == (name not in elsewhere)


@pytest.mark.parametrize("base", BASES)
def test_what_does_nothing_is_refused_and_settling_takes_it_back(base):
    config = BASES[base]
    check_options(config)
    assert settled(config) == config
    for name in idle(config):
        for value in others(name, attrgetter(name)(config)):
            left = with_value(config, name, value)
            if name.startswith("model."):
                continue  # building refuses these: tests/models/test_build.py
            with pytest.raises(
                ValueError, match=f"{name.rpartition('.')[2]} does nothing here: it .*; leave it out, got"
            ):
                check_options(left)
            assert settled(left) == config


def test_the_table_names_fields_that_there_are():
    assert set(APPLIES) <= set(NAMES)
    assert set(VALUES) <= set(NAMES)


def test_each_part_of_the_configuration_is_looked_into():
    assert [each.name for each in fields(Config)][:4] == ["data", "model", "mixing", "optimizer"]


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
        ({"method": "switch", "alpha": 0.0}, "method switch needs alpha > 0"),
    ],
)
def test_what_does_not_go_with_the_data_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Run(changed(MLP, **change))


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
