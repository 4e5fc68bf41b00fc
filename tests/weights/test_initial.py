"""Laws of the weights that a run starts from: what fits is used, what does not is said or refused."""

import contextlib
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny_runs import DATA, MLP, PREACT, changed

from mixup_jax.choices.networks import ResNet, ViT
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.provenance import describe
from mixup_jax.training import loop
from mixup_jax.training.programs import snapshot
from mixup_jax.weights.initial import initial_weights, network_of, normalized_as
from mixup_jax.weights.timm_names import flat

VIT = replace(MLP, model=ViT(width=8, depth=1, heads=2, patch=2))


def start_of(config, data=DATA, given=None):
    """Return a run and its state before the first step."""
    run = loop.Run(config, data, Path("unused"), devices=jax.devices()[:1], given=given)
    return run, run.start()


def left_behind(folder, config, data=DATA):
    """Make the folder of a run that has taken a step, all numbers of its averages one more than its weights."""
    run, (state, totals) = start_of(config, data)
    if config.ema:
        state = replace(state, average=jax.tree.map(lambda leaf: leaf + 1, state.average))
    folder.mkdir()
    write_json(folder / "config.json", describe(config, "tests", "tiny", data.identity()))
    with contextlib.closing(run.train), open_checkpoints(folder.absolute() / "checkpoints", 1) as checkpoints:
        checkpoints.save(snapshot(run.mesh, state, totals, 0.0), 1, None)
    return str(folder)


def other_data(size=6, channels=1, classes="abc"):
    def bent(image):
        return np.tile(image, (1, 2, 2, 1))[:, :size, :size].repeat(channels, axis=3)

    images = {f"{part}_image": bent(getattr(DATA, f"{part}_image")) for part in ("train", "test")}
    return replace(DATA, classes=tuple(classes), mean=(0.25,) * channels, std=(0.5,) * channels, **images)


def leaves(state):
    """Return weights and statistics by their paths."""
    return {name: np.asarray(leaf) for part in (state.params, state.batch_stats) for name, leaf in flat(part).items()}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    return {
        "preact": left_behind(folder / "preact", changed(PREACT, ema=0.5, seed=3)),
        "vit": left_behind(folder / "vit", changed(VIT, seeds=2)),
    }


@pytest.mark.thorough
def test_every_seed_starts_from_the_averages_of_the_earlier_run_and_its_own_head(earlier):
    config, data = changed(PREACT, seeds=2, ema=0.5, init=earlier["preact"]), other_data(classes="abcd")
    weights = initial_weights(config, data)
    _, (state, _) = start_of(config, data, weights.arrays)
    drawn, source = leaves(start_of(config, data)[1][0]), leaves(start_of(changed(PREACT, seed=3))[1][0])
    for name, leaf in leaves(state).items():
        expected = drawn[name] if name.startswith("head/dense") else np.stack([source[name][0] + 1] * 2)
        np.testing.assert_array_equal(leaf, expected, err_msg=name)
    for name, leaf in leaves(replace(state, **state.average)).items():
        np.testing.assert_array_equal(leaf, leaves(state)[name])
    assert ("drawn anew", "head/dense/bias (4,): 3 classes there, 4 here") in weights.rows


def test_the_head_goes_where_the_classes_have_other_names_and_stays_where_they_are_the_same(earlier):
    config = changed(PREACT, init=earlier["preact"])
    assert "head/dense/bias" in initial_weights(config, DATA).arrays
    weights = initial_weights(config, other_data(classes="xyz"))
    assert "head/dense/bias" not in weights.arrays
    assert ("drawn anew", "head/dense/bias (3,): other classes there") in weights.rows


def test_images_of_other_sizes_and_colours_are_fitted_and_it_is_said(earlier):
    config, data = changed(VIT, init=earlier["vit"]), other_data(8, 3)
    weights = initial_weights(config, data)
    start_of(config, data, weights.arrays)
    assert {what for what, _ in weights.rows} >= {
        "resized from 3 x 3 to 4 x 4, bicubic, antialiased",
        "a third for each colour, of grey images",
    }
    assert "the first of 2" in weights.rows[0][1]
    assert normalized_as(data, "source", weights).mean == DATA.mean * 3
    assert normalized_as(data, "data", weights).mean == data.mean
    assert normalized_as(data, "half", None).std == (0.5, 0.5, 0.5)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            ViT(width=16, depth=1, heads=2, patch=2),
            r"bias is \(8,\) there, \(16,\) here; it needs --width 8",
        ),
        (ViT(width=8, depth=1, heads=1, patch=2), "heads is 2 there, 1 here; it needs --heads 2"),
        (ViT(width=8, depth=1, heads=2, patch=2, gelu="tanh"), "gelu is exact there, tanh here"),
        (ViT(width=8, depth=1, heads=2, patch=2, layer_scale=0.1), "block1/gamma1 is absent there.*--layer-scale 0"),
        (ViT(width=8, depth=1, heads=2, patch=2, pool="gap"), "stem/positions is .*--pool token"),
        (MLP.model, "weights are not of this mlp: .*; it needs --model vit"),
    ],
)
def test_another_network_is_refused_with_the_first_difference(earlier, model, message):
    with pytest.raises(ValueError, match=message) as error:
        initial_weights(replace(VIT, model=model, init=earlier["vit"]), DATA)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_said_to_be_missing_for_each_network(tmp_path):
    for config in (VIT, MLP):
        with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors, which is not there"):
            initial_weights(replace(config, init=str(tmp_path / "nothing.safetensors")), DATA)


def test_weights_that_are_not_there_are_refused(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises((ValueError, OSError), match=str(path)):
            initial_weights(changed(MLP, init=str(path)), DATA)


def test_a_run_says_which_network_its_weights_are_of(earlier):
    assert network_of(Path(earlier["vit"]), MLP.model) == VIT.model
    assert network_of(Path(earlier["preact"]), MLP.model) == PREACT.model


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"architecture": "vit_tiny_patch16_224.augreg_in21k"}', ViT(width=192)),
        ('{"architecture": "resnet50"}', ResNet("resnet50")),
        ('{"architecture": "vit_giant_patch99"}', None),
        ('{"architecture": ["vit"]}', None),
        ('{"config": {"model": {"name": "vit"}}}', None),
        ("{", None),
        (None, None),
    ],
)
def test_timms_description_says_which_network_weights_are_of(content, expected, tmp_path):
    (tmp_path / "model.safetensors").touch()
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    like = MLP.model
    assert network_of(tmp_path, like) == (expected or like)
    assert network_of(tmp_path / "model.safetensors", like) == (expected or like)


def test_what_cannot_be_read_says_no_network(tmp_path):
    assert network_of(tmp_path, MLP.model) == MLP.model
    assert network_of(tmp_path / "nowhere", MLP.model) == MLP.model
    (tmp_path / "model.json").write_text("{}")
    assert network_of(tmp_path, MLP.model) == MLP.model


def test_what_moves_no_weight_stays_as_the_preset_has_it(earlier):
    like = replace(VIT.model, width=64, dropout=0.25, stochastic_depth=0.5)
    assert network_of(Path(earlier["vit"]), like) == replace(VIT.model, dropout=0.25, stochastic_depth=0.5)
