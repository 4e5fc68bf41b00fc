"""Laws of the examples that a step sees: partners, labels, hidden layers and noise, as in the paper's ablation."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from tiny_runs import BATCH, CLASSES, DATA, MLP, PREACT, Run, assert_close, changed

from mixup_jax.augment.standard import normalize
from mixup_jax.choices import Mixup
from mixup_jax.config import Config
from mixup_jax.methods import mix_at, neighbour_table
from mixup_jax.runtime.devices.mesh import make_mesh
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state
from mixup_jax.steps.train_step import mixed_batch, train_step
from mixup_jax.training.programs import place_examples

GATHERED = re.compile(r"(\w+)\[([\d,]+)\]\S* all-(?:gather|to-all|reduce)\(")
STILL = {"pad_crop": 0, "flip": False, "per": "example"}


@pytest.fixture(scope="module")
def batch():
    return {"image": jnp.asarray(DATA.train_image[:BATCH]), "label": jnp.asarray(DATA.train_label[:BATCH])}


def vicinity(rng, batch, alpha=1.0, **fields):
    recipe = make_recipe(changed(MLP, **STILL, **fields), DATA)
    image, label, plan = jax.jit(partial(mixed_batch, recipe=recipe))(rng, batch, alpha, 0)
    return np.asarray(image), np.asarray(label), plan


def vicinity_of(rng, batch, recipe):
    return jax.jit(partial(mixed_batch, recipe=recipe))(rng, batch, 1.0, 0)[:2]


def clean(image):
    return np.asarray(normalize(image, DATA.mean, DATA.std))


@pytest.mark.thorough
def test_the_first_epochs_are_unmixed_and_the_others_are_as_ever(batch, rng):
    epoch = len(DATA.train_label) // BATCH
    recipe = make_recipe(changed(MLP, **STILL, unmixed_epochs=2.0), DATA)
    see = jax.jit(partial(mixed_batch, recipe=recipe))
    for step in (0, 2 * epoch - 1):
        image, label, _ = see(rng, batch, 1.0, step)
        np.testing.assert_allclose(image, clean(batch["image"]), rtol=0, atol=1e-6)  # normalised in another program
        np.testing.assert_array_equal(label, jax.nn.one_hot(batch["label"], CLASSES))
    always = make_recipe(changed(MLP, **STILL, phase_out=(0.999, 0.999)), DATA)  # by the same keys, never switched off
    for ours, theirs in zip(see(rng, batch, 1.0, 2 * epoch), mixed_batch(rng, batch, 1.0, 0, always), strict=True):
        assert_close(ours, theirs)


@pytest.mark.thorough
def test_partners_of_the_same_class_leave_labels_hard(batch, rng):
    image, label, _ = vicinity(rng, batch, partner="same_class")
    np.testing.assert_allclose(label, jax.nn.one_hot(batch["label"], CLASSES), atol=1e-6)
    assert (abs(image - clean(batch["image"])).max(axis=(1, 2, 3)) > 0.1).sum() > BATCH // 2


@pytest.mark.thorough
def test_partners_of_another_class_share_every_label(batch, rng):
    _, label, plan = vicinity(rng, batch, partner="different_class")
    lam = np.asarray(plan.lam)
    own = label[np.arange(BATCH), batch["label"]]
    np.testing.assert_allclose(own, lam, atol=1e-6)
    np.testing.assert_allclose(label.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.thorough
def test_with_inputs_only_the_label_is_that_of_the_example_that_weighs_more(batch, rng):
    mixed, soft, _ = vicinity(rng, batch)
    image, label, plan = vicinity(rng, batch, labels="larger")
    np.testing.assert_array_equal(image, mixed)
    np.testing.assert_array_equal(label, jax.nn.one_hot(soft.argmax(axis=1), CLASSES))
    assert (np.asarray(plan.lam) < 0.5).any()


@pytest.mark.thorough
def test_noise_is_added_to_what_was_mixed_and_the_same_wherever_the_example_is(batch, rng):
    quiet, _, _ = vicinity(rng, batch, block=2)
    noisy, _, _ = vicinity(rng, batch, block=2, noise=0.5)
    np.testing.assert_allclose((noisy - quiet).std(), 0.5, rtol=0.1)
    recipe = replace(make_recipe(changed(MLP, **STILL, block=2, noise=0.5), DATA), axis_name="data")
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = {"in_specs": (P(), P("data"), P(), P()), "out_specs": P("data")}
    mapped = jax.shard_map(lambda *inputs: mixed_batch(*inputs, recipe)[0], mesh=mesh, **specs)
    np.testing.assert_allclose(jax.jit(mapped)(rng, batch, 1.0, 0), noisy, atol=1e-6)


def test_partners_beside_the_batch_are_mixed_in_their_order(batch, rng):
    other = {"partner_image": batch["image"][::-1], "partner_label": batch["label"][::-1]}
    image, label, plan = vicinity(rng, batch | other, partner="neighbours", neighbours=3)
    lam = np.asarray(plan.lam)
    one_hot = np.asarray(jax.nn.one_hot(batch["label"], CLASSES))
    own = clean(batch["image"])
    for mixed, leaf in ((image, own), (label, one_hot)):
        share = lam.reshape(-1, *[1] * (leaf.ndim - 1))
        np.testing.assert_allclose(mixed, share * leaf + (1 - share) * leaf[::-1], atol=1e-5)


def test_neighbours_come_from_the_whole_training_set():
    for partner, labels in (("neighbours", None), ("same_class_neighbours", DATA.train_label)):
        examples = place_examples(make_mesh(1, BATCH), DATA, Mixup(partner=partner, neighbours=2))
        np.testing.assert_array_equal(examples.table, neighbour_table(DATA.train_image, 2, labels))


@pytest.mark.thorough
def test_a_run_mixes_with_the_neighbours_of_its_table():
    """Where everybody is the neighbour of himself, mixup is ERM."""
    run = Run(changed(MLP, partner="neighbours", neighbours=1, **STILL), 1)
    mirror = run.run.train._replace(table=np.arange(len(DATA.train_label), dtype=np.int32)[:, None])
    with_itself = run.programs.train(*run.start(), run.run.alpha, mirror, np.int32(2))
    assert_close(with_itself, run.train(run.start(), 2, alpha=0.0), 1e-5)
    assert abs(float(run.train(run.start(), 2)[1].loss[0]) - float(with_itself[1].loss[0])) > 1e-3


@pytest.mark.thorough
@pytest.mark.parametrize("fields", [{}, {"method": "cutmix", "erase": 0.5}, {"method": "resizemix", "pad_crop": 1}])
def test_partners_that_cross_devices_are_bytes_and_class_ids_and_mix_to_the_same(batch, rng, fields):
    """What crosses is gathered before the normalisation; within a block, which may stay on a device, after it.

    These two are the same bits as runs compile them, and to a last bit as tests do, without LLVM's optimisations.
    """
    whole, run = (make_recipe(changed(MLP, **STILL | fields, block=block), DATA) for block in (None, BATCH))
    see = jax.jit(partial(mixed_batch, recipe=whole))
    spread = jax.device_put(batch, NamedSharding(make_mesh(1, BATCH), P("data")))
    crossing = see(rng, spread, 1.0, 0)[:2]
    for ours, theirs in zip(crossing, see(rng, batch, 1.0, 0)[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert_close(crossing, vicinity_of(rng, batch, run), 1e-6)
    program = see.lower(rng, spread, 1.0, 0).compile().as_text()
    pixels = batch["image"].size
    moved = {kind: int(np.prod([int(side) for side in sides.split(",")])) for kind, sides in GATHERED.findall(program)}
    assert moved.get("u8") == pixels
    assert all(count <= BATCH for kind, count in moved.items() if kind != "u8"), moved


@pytest.mark.thorough
@pytest.mark.parametrize("layer", ["stage1", "head"])
def test_a_step_at_a_hidden_layer_is_the_loss_of_the_states_mixed_there(batch, layer):
    config = changed(PREACT, layer=layer, **STILL)
    recipe = make_recipe(config, DATA)
    state = jax.jit(lambda: init_state(0, recipe.model, recipe.optimizer, jnp.zeros((1, *DATA.image_shape))))()
    _, metrics = jax.jit(partial(train_step, recipe=recipe))(state, batch, 1.0)
    rng, _ = jax.random.split(jax.random.fold_in(state.rng, 0))
    image, label, plan = mixed_batch(rng, batch, 1.0, 0, recipe)
    np.testing.assert_allclose(image, clean(batch["image"]), atol=1e-6)

    def logits_fn(params, plan, image):
        with mix_at(plan, layer):
            variables = {"params": params, "batch_stats": state.batch_stats}
            return recipe.model.apply(variables, image, train=True, mutable=["batch_stats"])[0]

    logits = jax.jit(logits_fn)(state.params, plan, image)
    np.testing.assert_allclose(metrics["loss"], optax.softmax_cross_entropy(logits, label).mean(), rtol=1e-5)
    assert not np.allclose(label, label.round())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"partner": "same_class", "block": 2}, "block goes with the partners permutation, .*, got same_class"),
        ({"layer": "stage1", "accumulate": 2}, "layer stage1 goes without --accumulate, got 2"),
        ({"layer": "stage1", "partner": "neighbours"}, "layer stage1 goes with partners in the batch, got neighbours"),
        ({"alphas": (1.0, 1.0)}, "alpha must be .*different.*got"),
        ({"alpha": float("nan")}, "alpha must be .*got nan"),
        ({"method": "switch", "alphas": (0.0, 1.0)}, "alpha must be .*got"),
        ({"neighbours": 3}, "neighbours is for partners among the neighbours, got partner permutation"),
        ({"partner": "neighbours", "neighbours": 0}, "neighbours must be at least 1 .*got 0"),
        ({"optimizer": "sgd", "momentum": 0.0, "nesterov": True}, "nesterov .* momentum is 0"),
        ({"weight_decay": 0.0, "decay_norm": False}, "decay_norm .* weight_decay is 0"),
        ({"warmup_start": 0.1}, "warmup_start .* warmup_epochs is 0"),
        ({"schedule": "linear", "warmup_prefix": False}, "warmup_prefix .* warmup_epochs is 0"),
        ({"optimizer": "adamw", "weight_decay": 0.0, "decay": "all"}, "decay is .* weight_decay is 0"),
        ({"optimizer": "lamb", "weight_decay": 0.0}, "weight_decay must be above 0 with lamb, .* adamw"),
        ({"clip": 0.0}, "clip must be above 0 .* got 0"),
        ({"layer_decay": 1.0}, r"layer_decay must be in \(0, 1\).* got 1"),
        ({"optimizer": "adamw", "eps": 0.0}, "eps must be above 0 .* got 0"),
        ({"loss": "bce", "target_threshold": 1.0}, r"target_threshold must be in \[0, 1\).* got 1"),
        ({"loss": "bce", "target_threshold": float("nan")}, "target_threshold must be in .* got nan"),
        ({"decay_epochs": ()}, "decay_epochs must be .* constant"),
        ({"mix": "waveform"}, "mix waveform is for speech, and cifar10 is none"),
        ({"image_size": 64}, "image_size is for photographs"),
        ({"interpolation": "bicubic"}, "interpolation is for photographs"),
        ({"test_crop": 1.2, "dataset": "imagenet"}, "test_crop must be between 0.1 and 1.*, got 1.2"),
        ({"repeats": 3}, "repeats must divide the batch of 128, got 3"),
        ({"repeats": 4, "block": 64}, "repeats 4 .* 32 rows apart .* block at most that, got 64"),
        ({"repeats": 128}, "repeats 128 .* 1 rows apart .* at least 2"),
        ({"dataset": "imagenet", "test_size": 224}, "test_size is 224, as that of the training"),
        ({"color_jitter": 1.5}, r"color_jitter must be between 0 and 1, got 1\.5"),
        ({"erase": -0.5}, r"erase must be between 0 and 1, got -0\.5"),
        ({"augment": "randaugment", "magnitude": 11.0}, "magnitude must be between 0 and 10 in randaugment, got 11"),
        ({"augment": "randaugment", "operations": 0}, "operations must be at least 1 .*, got 0"),
        ({"augment": "randaugment", "operation_probability": 0.0}, "operation_probability must be .* augment none"),
        ({"augment": "big_vision_randaugment", "magnitude": 21.0}, "magnitude must be between 0 and 20, got 21"),
        ({"dataset": "fsdd", "augment": "three_augment"}, "augment three_augment is for images, and fsdd is speech"),
        ({"dataset": "fsdd", "erase": 0.25}, "erase is for images, and fsdd is speech: leave it out"),
        ({"dataset": "chirps", "color_jitter": 0.3}, "color_jitter is for images, and chirps is speech: leave it out"),
        ({"noise": -1.0}, "noise must be a finite number >= 0.* got -1"),
        ({"method": "switch", "switch_probability": 1.5}, r"switch_probability must be in \(0, 1\).* got 1.5"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        changed(Config(), **fields)


def test_a_layer_that_the_network_lacks_is_refused_with_those_it_has(batch):
    run = Run(changed(PREACT, layer="stage9"), 1)
    with pytest.raises(ValueError, match=r"\(input, stem, stage1, head, .*'stage9'"):
        run.train(run.start(), 1)


def test_too_many_neighbours_are_refused():
    with pytest.raises(ValueError, match="k must be from 1 to one less than the number of examples, got 200"):
        Run(changed(MLP, partner="neighbours"), 1)


@pytest.mark.thorough
def test_alphas_side_by_side_are_each_alone():
    together, alone = Run(changed(MLP, alphas=(0.0, 2.0), seeds=2, seed=3), 1), Run(changed(MLP, seed=4), 1)
    assert together.run.config.runs == ((0.0, 3), (0.0, 4), (2.0, 3), (2.0, 4))
    states, totals = together.train(together.start(), 5)
    for lane, alpha in ((1, 0.0), (3, 2.0)):
        state, total = alone.train(alone.start(), 5, alpha=alpha)
        ours = jax.tree.map(lambda leaf, lane=lane: leaf[lane : lane + 1], (states.params, totals))
        assert_close(ours, (state.params, total), 1e-5)
