"""Laws of BatchNorm over runs of the batch, in the step: micro-batches, devices and seeds change nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from tiny_runs import BATCH, DATA, MLP, PREACT, Run, assert_close, changed

from mixup_jax.choices.networks import ViT
from mixup_jax.config import CHOICES
from mixup_jax.models import MODELS, build, has_batch_norm
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import train_step

RUNS = changed(PREACT, norm_block=2, per="block", block=2)


def step_of(config):
    """Return the state and the metrics after a step on the first images."""
    recipe = make_recipe(config, DATA)
    blank = jnp.zeros((1, *DATA.image_shape))
    state = jax.jit(lambda seed: init_state(seed, recipe.model, recipe.optimizer, blank))(0)
    batch = {"image": jnp.asarray(DATA.train_image[:BATCH]), "label": jnp.asarray(DATA.train_label[:BATCH])}
    return jax.jit(partial(train_step, recipe=recipe))(state, batch, 1.0)


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["mixup", "regmixup"])
def test_micro_batches_of_whole_runs_take_the_step_of_the_whole_batch(method):
    """Without norm_block they cannot: what BatchNorm sees is another batch."""
    config = changed(RUNS, method=method)
    (whole, metrics), (parts, of_parts) = (step_of(changed(config, accumulate=count)) for count in (1, 4))
    assert_close(parts.params, whole.params, 1e-5)
    assert_close(of_parts, metrics, 1e-4)


@pytest.mark.thorough
def test_several_seeds_on_several_devices_are_each_of_them_alone_on_one():
    run, together = Run(RUNS, 1), Run(changed(RUNS, seeds=2), 8)
    (alone, _), (both, _) = run.train(run.start(), 2), together.train(together.start(), 2)
    first = jax.tree.map(lambda leaf: leaf[:1], (both.params, both.batch_stats))
    assert_close(first, (alone.params, alone.batch_stats), 1e-4)


@pytest.mark.thorough
def test_the_whole_batch_as_one_run_is_no_runs():
    (one, _), (none, _) = step_of(changed(PREACT, norm_block=BATCH)), step_of(PREACT)
    assert_close((one.params, one.batch_stats), (none.params, none.batch_stats), 1e-5)


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (PREACT, {"norm_block": 3}, "norm_block must divide the batch of 16, got 3"),
        (PREACT, {"norm_block": 8, "accumulate": 4}, "norm_block must divide the micro-batch of 4, got 8"),
        (PREACT, {"norm_block": 4, "train_from": "head"}, "BatchNorm that is trained, and train_from leaves none"),
        (MLP, {"norm_block": 4}, "norm_block is for networks with BatchNorm, and mlp has none"),
    ],
)
def test_what_does_nothing_or_does_not_divide_is_refused(config, fields, message):
    with pytest.raises(ValueError, match=message):
        make_recipe(changed(config, **fields), DATA)


def test_networks_with_batch_norm_are_those_with_statistics():
    for name in MODELS:
        config = CHOICES["model"][name]()
        model = build(config, 3, norm_block=2)
        assert has_batch_norm(config) == (getattr(model, "norm", hasattr(model, "norm_over")) is True)
    assert not has_batch_norm(ViT())
