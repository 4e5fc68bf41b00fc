"""Laws of frozen layers: they stay as they are to the bit, and what is trained learns as it does beside them."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_runs import DATA, MLP, PREACT, changed

from mixup_jax.augment.standard import normalize
from mixup_jax.choices.networks import ConvNeXt, ViT
from mixup_jax.steps.frozen import trained_part, whole
from mixup_jax.steps.optim import direction
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import train_step

VIT = replace(MLP, model=ViT(width=8, depth=3, heads=2, patch=2, dropout=0.25, stochastic_depth=0.25))
ADAMW = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.5, "clip": 1.0}
CASES = {
    "BatchNorm": changed(PREACT, train_from="head/dense", weight_decay=0.1),
    "half of a stage": changed(PREACT, blocks=(2,), train_from="stage1/block2", ema=0.5, decay_norm=False),
    "micro-batches": changed(PREACT, blocks=(1, 1), train_from="stage2", accumulate=2, optimizer="lamb"),
    "hidden states": changed(PREACT, blocks=(1, 1), train_from="stage2", layer="stage1"),
    "dropout": changed(VIT, train_from="block2", layer_decay=0.75, **ADAMW),
    "remat": changed(VIT, train_from="head", remat=True, ema=0.5, **ADAMW),
    "ConvNeXt": changed(
        replace(MLP, model=ConvNeXt(width=8, blocks=(1, 1), patch=1)), train_from="stage2", layer_decay=0.5, **ADAMW
    ),
}


def begin(config):
    recipe = make_recipe(config, DATA)
    blank = jnp.zeros((1, *DATA.image_shape))
    state = init_state(0, recipe.model, recipe.optimizer, blank, average=recipe.ema > 0, frozen=recipe.frozen)
    batch = {"image": jnp.asarray(DATA.train_image[:16]), "label": jnp.asarray(DATA.train_label[:16])}
    return recipe, state, batch


def leaves(tree):
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def split(tree, frozen):
    """Return the leaves of the trained part and those of the frozen one."""
    trained = leaves(trained_part(tree, frozen))
    return trained, {path: leaf for path, leaf in leaves(tree).items() if path not in trained}


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_frozen_layers_keep_every_bit_and_all_others_move(case):
    recipe, start, batch = begin(CASES[case])
    state, step = start, jax.jit(partial(train_step, alpha=0.5, recipe=recipe))
    for _ in range(2):
        state, _ = step(state, batch)
    trees = [(start.params, state.params), (start.batch_stats, state.batch_stats)]
    if state.average is not None:
        trees += [(start.average[name], state.average[name]) for name in state.average]
    for before, after in trees:
        (_, kept), (moved, found) = split(before, recipe.frozen), split(after, recipe.frozen)
        assert kept.keys() == found.keys()
        assert all(np.array_equal(kept[path], found[path]) for path in kept)
        old = leaves(before)
        still = {path for path in moved if np.array_equal(moved[path], old[path])}
        assert all("dense" not in path and "bn" not in path for path in still), still
    assert split(start.params, recipe.frozen)[1]


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_the_optimiser_has_no_state_of_frozen_layers(case):
    config = CASES[case]
    recipe, state, _ = begin(config)
    sizes = [leaf.size for leaf in jax.tree.leaves(trained_part(state.params, recipe.frozen))]
    held = [leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
    copies = 1 if config.optimizer.name == "sgd" else 2
    assert sorted(held) == sorted(copies * sizes)


@pytest.mark.thorough
def test_what_is_trained_has_the_gradient_that_it_has_in_the_whole_network():
    config = replace(changed(VIT, dropout=0.0, stochastic_depth=0.0, lr=0.5, momentum=0.0, weight_decay=0.0))
    whole_recipe, start, batch = begin(config)
    recipe, part, _ = begin(replace(config, train_from="block2"))
    one, _ = jax.jit(partial(train_step, alpha=0.5, recipe=whole_recipe))(start, batch)
    other, _ = jax.jit(partial(train_step, alpha=0.5, recipe=recipe))(part, batch)
    expected, found = (leaves(trained_part(state.params, recipe.frozen)) for state in (one, other))
    for path in expected:
        np.testing.assert_allclose(found[path], expected[path], rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_frozen_batch_norm_normalises_as_in_evaluation():
    recipe, start, batch = begin(changed(PREACT, train_from="head/dense", alpha=0.0, pad_crop=0, flip=False))
    _, metrics = train_step(start, batch, 0.0, recipe)
    image = normalize(batch["image"], recipe.mean, recipe.std)
    variables = {"params": start.params, "batch_stats": start.batch_stats}
    logits = recipe.model.apply(variables, image, train=False)
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), batch["label"][:, None], axis=1).mean()
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)


@pytest.mark.thorough
def test_frozen_layers_have_no_backward_pass():
    def convolutions(config):
        recipe, start, batch = begin(config)
        text = jax.jit(partial(train_step, alpha=0.5, recipe=recipe)).lower(start, batch).compile().as_text()
        return text.count("convolution(")

    deep = changed(PREACT, blocks=(3,))
    assert convolutions(replace(deep, train_from="head")) < convolutions(deep) / 2


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("stage9", r"\(stem, stage1, head, or a part of one\), got 'stage9'"),
        ("stage1/block9", r"\(stage1/block1, or a part of one\)"),
        ("head/dense/more", r"\(head/dense, or a part"),
        ("", "train_from must be"),
        ("stem", "train_from stem freezes nothing"),
        ("stem/conv", "train_from stem/conv freezes nothing"),
    ],
)
def test_layers_that_do_not_exist_or_freeze_nothing_are_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        make_recipe(replace(PREACT, train_from=layer), DATA)


def test_a_tree_is_its_trained_part_and_the_rest():
    tree = {"a": {"kernel": 1, "bias": 2}, "b": {"c": {"kernel": 3}, "d": {"kernel": 4}}}
    part = trained_part(tree, ("a", "b/c"))
    assert part == {"a": {"kernel": None, "bias": None}, "b": {"c": {"kernel": None}, "d": {"kernel": 4}}}
    assert whole(part, tree) == tree
    assert trained_part(tree, ()) is tree


def test_names_are_whole_words_of_a_path():
    tree = {"block1": {"kernel": 1}, "block10": {"kernel": 2}}
    assert trained_part(tree, ("block1",)) == {"block1": {"kernel": None}, "block10": {"kernel": 2}}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lamb"])
def test_decay_and_clipping_see_only_what_is_trained(name):
    config = changed(MLP, optimizer=name, weight_decay=0.5, clip=1.0).optimizer
    params: Any = {"stem": {"kernel": jnp.full(3, 100.0)}, "head": {"kernel": jnp.ones(2), "bias": jnp.ones(1)}}
    part = trained_part(params, ("stem",))
    alone = {"head": params["head"]}
    grads: Any = jax.tree.map(lambda leaf: 3 * leaf, part)
    found: Any = direction(config).update(grads, direction(config).init(part), part)[0]
    expected: Any = direction(config).update({"head": grads["head"]}, direction(config).init(alone), alone)[0]
    jax.tree.map(np.testing.assert_array_equal, found["head"], expected["head"])
