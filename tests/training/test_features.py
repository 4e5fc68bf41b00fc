"""Laws of features that are computed once: the training is that of the whole network with all layers before frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_runs import DATA, MLP, PREACT, changed

from experiments.imagenet.archives import photograph
from mixup_jax.choices.networks import ViT
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.training import loop
from mixup_jax.training.features import are_constant
from mixup_jax.training.measurements import error_of
from mixup_jax.weights.timm_names import flat

PLAIN = {"pad_crop": 0, "flip": False}
HEADS = {
    "preact": changed(PREACT, train_from="head/dense", layer="head/dense", **PLAIN),
    "vit": changed(
        replace(MLP, model=ViT(width=8, depth=1, heads=2, patch=2)),
        train_from="head/dense",
        alpha=0.0,
        ema=0.5,
        **PLAIN,
    ),
    "mlp": changed(MLP, train_from="head", layer="head", per="example", seeds=2, **PLAIN),
}


def weights(config, data=DATA):
    """Return the weights and statistics of a network, but for its last layer, as a file has them."""
    model = make_recipe(config, data).model
    variables = model.init(jax.random.key(7), jnp.zeros((1, *data.image_shape)), train=False)
    found = {name: np.asarray(leaf) for part in variables.values() for name, leaf in flat(part).items()}
    return {name: leaf + 0.125 for name, leaf in found.items() if not name.startswith(config.train_from)}


def started(config, data=DATA):
    return loop.Run(config, data, Path("unused"), devices=jax.devices()[:1], given=weights(config, data))


def after(run, *counts):
    state = run.start()
    for count in counts:
        step = int(state[0].step[0])
        state, _ = run.advance(state, step, count)
    return state[0]


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.thorough
@pytest.mark.parametrize("name", HEADS)
def test_a_head_on_features_learns_what_it_learns_on_images(name, monkeypatch):
    once: Any = started(HEADS[name])
    monkeypatch.setattr(loop, "are_constant", lambda *_: False)
    always = started(HEADS[name])
    assert once.data.image_shape[:2] == (1, 1)
    assert always.data is DATA
    found, expected = after(once, 5), after(always, 5)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(leaves(found.params), leaves(expected.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert error_of(once.score(found, once.test)) == error_of(always.score(expected, always.test))


@pytest.mark.thorough
def test_the_whole_network_is_what_is_kept_and_its_frozen_layers_are_those_given():
    config = HEADS["preact"]
    run = started(config)
    trained = after(run, 3)
    state = jax.tree.map(lambda leaf: leaf[0], trained)
    found, given = flat(state.params) | flat(state.batch_stats), weights(config)
    assert all(np.array_equal(found[name], given[name]) for name in given)
    recipe = make_recipe(config, DATA)
    image = (DATA.test_image / np.float32(255) - np.float32(DATA.mean)) / np.float32(DATA.std)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    logits: Any = recipe.model.apply(variables, jnp.asarray(image), train=False)
    error = 100 * float(np.mean(np.argmax(logits, axis=1) != DATA.test_label))
    np.testing.assert_allclose(error_of(run.score(trained, run.test))[0], error, atol=1e-3)


def test_a_step_on_features_holds_no_other_layer():
    run = started(HEADS["preact"])
    arguments = (*run.start(), run.alpha, run.train, np.int32(1))
    assert "convolution(" not in run.programs.train.lower(*arguments).compile().as_text()


@pytest.mark.thorough
def test_features_computed_again_go_on_with_the_same_bits():
    config = HEADS["preact"]
    whole, first, second = (started(config) for _ in range(3))
    state, _ = first.advance(first.start(), 0, 2)
    state, _ = second.advance(state, 2, 2)
    for one, other in zip(leaves(state[0].params), leaves(after(whole, 4).params), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.thorough
def test_a_seed_among_several_is_that_seed_alone():
    config = replace(HEADS["mlp"], seeds=1, seed=1)
    both, alone = after(started(HEADS["mlp"]), 4), after(started(config), 4)
    for one, other in zip(leaves(both.params), leaves(alone.params), strict=True):
        np.testing.assert_allclose(one[1], other[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [
        {"flip": True},
        {"pad_crop": 1},
        {"noise": 0.1},
        {"erase": 0.5},
        {"color_jitter": 0.1},
        {"augment": "randaugment"},
        {"layer": "input"},
        {"layer": "stage1"},
        {"partner": "optimal", "group": 8},
        {"method": "cutmix"},
        {"train_from": "head"},
        {"train_from": None},
        {"dropout": 0.5},
    ],
)
def test_features_that_change_or_are_no_input_of_the_last_layer_are_not_kept(change):
    config = changed(HEADS["preact"], **change)
    assert not are_constant(config, make_recipe(config, DATA), DATA.image_shape)


class Photos:
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return Photograph(f"{index}.JPEG", index % 3, photograph(index % 3, index))


@pytest.mark.thorough
def test_photographs_that_stay_on_disk_give_the_features_of_their_centres():
    constants = ((0.5,) * 3, (0.2,) * 3, 16)
    data = StreamedDataset("some", "SYNTHETIC", tuple("abc"), Photos(10), Photos(5), *constants, valid=Photos(6))
    config = changed(HEADS["preact"], dataset="imagenet", image_size=16, crop="centre", batch_size=4, eval_every=1.0)
    run: Any = started(replace(config, seeds=2), replace(data, crop="centre", flip=False))
    model, given = make_recipe(config, data).model, weights(config, data)
    assert run.data.valid_label.tolist() == [0, 1, 2, 0, 1, 2]
    assert run.data.train_label.tolist() == [data.clean_example(index)["label"] for index in range(10)]
    head = jax.tree.map(lambda leaf: leaf[0], run.start()[0])
    variables = {"params": head.params, "batch_stats": head.batch_stats}
    image = np.stack([data.test_example(index)["image"] for index in range(5)]) / np.float32(255)
    logits: Any = model.apply(variables, jnp.asarray((image - np.float32(0.5)) / np.float32(0.2)), train=False)
    features: Any = run.recipe.model.apply(variables, jnp.asarray(run.data.test_image), train=False)
    np.testing.assert_allclose(features, logits, rtol=1e-4, atol=1e-5)
    assert given
    assert np.isfinite(leaves(after(run, 3).params)[0]).all()


@pytest.mark.parametrize("repeats", [1, 2])
def test_photographs_that_a_batch_repeats_are_streamed(repeats):
    config = changed(HEADS["preact"], dataset="imagenet", image_size=16, crop="centre", repeats=repeats)
    assert are_constant(config, make_recipe(config, DATA), (16, 16, 3)) == (repeats == 1)


@pytest.mark.parametrize("given", [{}, {"stem/conv/kernel": np.zeros((3, 3, 1, 4), np.float32)}])
def test_frozen_layers_that_are_not_given_are_refused(given):
    with pytest.raises(ValueError, match="train_from leaves stem to stage1 as they are in --init, and"):
        loop.Run(HEADS["preact"], DATA, Path("unused"), devices=jax.devices()[:1], given=given)
