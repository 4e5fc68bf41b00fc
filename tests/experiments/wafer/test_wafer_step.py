"""Laws of a step on wafer maps, of its balanced batches, and of runs that are interrupted."""

import os
import signal
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.wafer import fit
from experiments.wafer.config import MapMixing, WaferConfig, WaferData
from experiments.wafer.fit import fit_wafer, load_wafer_network
from experiments.wafer.maps import WaferMaps
from experiments.wafer.step import (
    make_training_maps,
    make_wafer_recipe,
    random_symmetry,
    set_loss,
    symmetries,
    take_batch,
)
from mixup_jax.choices import Constant, Sgd
from mixup_jax.choices.networks import WaferNet
from mixup_jax.runtime import resumable
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.errors import CheckpointError, NotFinite, Stopped
from mixup_jax.runtime.progress import Bar
from mixup_jax.runtime.run_folder import digest

DEFECTS = ("Arc", "Blob")
TINY = WaferConfig(data=WaferData(size=8, normal=True), model=WaferNet(width=4), batch_size=6, steps=6, seeds=2, seed=3)


@pytest.fixture(scope="module")
def maps():
    """Blobs fail in a corner, arcs at the top, and some maps have no defect; 20 arcs, 5 blobs, 3 without."""
    generator = np.random.default_rng(0)
    label = np.array([[1, 0]] * 20 + [[0, 1]] * 5 + [[0, 0]] * 3, np.uint8)
    found = 1 + (generator.random((28, 8, 8)) < 0.1).astype(np.uint8)
    found[:20, 0] = 2
    found[20:25, 4:, 4:] = 2
    order = generator.permutation(28)
    return WaferMaps("tiny", "SYNTHETIC", DEFECTS, found[order], label[order])


def test_batches_are_balanced_over_classes_whatever_their_size(maps):
    pool = make_training_maps(maps, normal=True)
    batch = jax.jit(partial(take_batch, size=3000, turns=False))(jax.random.key(0), pool)
    label = np.asarray(batch["label"])
    shares = [(label == each).all(axis=1).mean() for each in ([1, 0], [0, 1], [0, 0])]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.04)
    there = {each.tobytes() for each in (maps.maps == 2).astype(np.float32)}
    assert {each.tobytes() for each in np.asarray(batch["fail"])} == there


@pytest.mark.thorough
def test_a_batch_is_a_map_with_its_own_label(maps):
    batch = take_batch(jax.random.key(0), make_training_maps(maps, normal=False), 200, turns=True)
    assert (batch["label"].sum(axis=1) == 1).all()
    rows = (batch["fail"].mean(axis=2) == 1).any(axis=1) | (batch["fail"].mean(axis=1) == 1).any(axis=1)
    assert (rows | (batch["label"][:, 1] == 1)).all()


def test_turns_are_the_eight_symmetries_of_the_square():
    one = jnp.arange(9, dtype=jnp.uint8).reshape(1, 3, 3)
    found = {random_symmetry(jax.random.key(i), one).tobytes() for i in range(100)}
    square = np.asarray(one[0])
    turned = [np.rot90(each, k) for each in (square, square.T) for k in range(4)]
    assert found == {np.ascontiguousarray(each).tobytes() for each in turned}


@pytest.mark.thorough
def test_a_judgement_by_the_mean_of_all_turns_is_that_of_every_turned_map(maps):
    config = replace(TINY, data=replace(TINY.data, turns=True, average=True))
    programs, start = fit._begin(config, make_wafer_recipe(config, DEFECTS))
    turned = symmetries(jnp.asarray(maps.maps[:3]))
    assert sorted({turn.tobytes() for turn in np.asarray(turned[:, 0])}) == sorted(
        {np.ascontiguousarray(each).tobytes() for each in by_hand(maps.maps[0])}
    )
    found = np.asarray(programs.logits(start.state, turned))
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape), atol=1e-6)
    assert np.ptp(found[0, 0, :, 0]) > 1e-4  # maps differ


def by_hand(one):
    return [np.rot90(each, times) for each in (one, one.T) for times in range(4)]


@pytest.mark.thorough
def test_the_losses_are_optax_and_a_set_under_a_softmax_is_shared_evenly():
    logits, one, both = jnp.array([[2.0, -1.0, 0.5]]), jnp.array([[1.0, 0.0, 0.0]]), jnp.array([[1.0, 0.0, 1.0]])
    labels = jnp.array([0])
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    assert set_loss(logits, one, "softmax") == pytest.approx(float(cross_entropy(logits, labels)[0]))
    half = (cross_entropy(logits, labels) + cross_entropy(logits, labels + 2)) / 2
    assert set_loss(logits, both, "softmax") == pytest.approx(float(half[0]), rel=1e-6)
    by_class = sum(np.log1p(np.exp(-z if y else z)) for z, y in zip([2.0, -1.0, 0.5], [1, 0, 1], strict=True))
    assert set_loss(logits, both, "sigmoid") == pytest.approx(by_class, rel=1e-5)


def test_a_further_logit_of_a_softmax_is_what_the_defects_leave_of_1():
    logits = jnp.array([[2.0, -1.0, 0.5]])
    nothing, blended, both = jnp.array([[0.0, 0.0]]), jnp.array([[0.3, 0.0]]), jnp.array([[1.0, 1.0]])
    of_three = {"none": [0.0, 0.0, 1.0], "blended": [0.3, 0.0, 0.7], "both": [0.5, 0.5, 0.0]}
    for label, target in zip((nothing, blended, both), of_three.values(), strict=True):
        expected = optax.softmax_cross_entropy(logits, jnp.array([target]))
        assert set_loss(logits, label, "softmax") == pytest.approx(float(expected[0]), rel=1e-6)


def test_maps_with_several_defects_and_empty_classes_are_refused(maps):
    two = WaferMaps("mixed", "SYNTHETIC", DEFECTS, maps.maps[:1], np.ones((1, 2), np.uint8))
    with pytest.raises(ValueError, match="mixed: training maps must have one defect, got 2"):
        make_training_maps(two, normal=False)
    arcs = maps.take(maps.label[:, 0] == 1)
    with pytest.raises(ValueError, match="tiny: there is no training map of Blob, Normal; every class needs one"):
        make_training_maps(arcs, normal=True)


def test_every_set_of_defects_is_a_class_where_mixed_maps_are_learned_from(maps):
    both = np.concatenate([maps.label, np.ones((3, 2), np.uint8)])
    pool = make_training_maps(
        replace(maps, maps=np.concatenate([maps.maps, maps.maps[:3]]), label=both), False, mixed=True
    )
    assert int(pool.count.sum()) == (both.sum(axis=1) > 0).sum()
    for start, count in zip(pool.start, pool.count, strict=True):
        assert len(np.unique(pool.label[int(start) : int(start + count)], axis=0)) == 1
    assert len(pool.count) == len(np.unique(both, axis=0)) - 1  # maps without a defect are left out
    assert (np.asarray(pool.label).sum(axis=1) > 0).all()


@pytest.fixture(autouse=True)
def two_lines(monkeypatch):
    """Lines of metrics.jsonl at the steps 3 and 6."""
    monkeypatch.setattr(fit, "LINES", 2)


@pytest.fixture(scope="module")
def trained(maps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "LINES", 2)
        return fit_wafer(TINY, maps, folder), folder


def params(network, seed=slice(None)):
    return digest(jax.tree.map(lambda leaf: np.asarray(leaf)[seed], network.state.params))


@pytest.mark.slow
def test_a_run_in_two_parts_is_the_run_in_one_and_what_it_leaves_is_loaded(maps, trained, tmp_path, monkeypatch):
    network, folder = trained

    monkeypatch.setattr(resumable, "CALL_SECONDS", 0.0)  # one step at a time
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "update", lambda _, step, __: os.kill(os.getpid(), signal.SIGTERM) if step == 4 else None)
        with pytest.raises(Stopped, match="at step 5 of 6; the same command goes on"):  # between two lines
            fit_wafer(TINY, maps, tmp_path)
    record.append_metrics(tmp_path, {"step": 6, "train_loss": "written by a process that died before its checkpoint"})
    with pytest.raises(CheckpointError, match="has not ended"):
        load_wafer_network(TINY, DEFECTS, tmp_path)
    assert params(fit_wafer(TINY, maps, tmp_path)) == params(network)
    assert (tmp_path / "metrics.jsonl").read_text() == (folder / "metrics.jsonl").read_text()
    assert params(load_wafer_network(TINY, DEFECTS, folder)) == params(network)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_wafer_network(TINY, DEFECTS, tmp_path / "none")


@pytest.mark.slow
def test_a_line_is_the_mean_loss_of_each_seed_since_the_line_before(maps, trained, tmp_path, monkeypatch):
    _, folder = trained
    monkeypatch.setattr(fit, "LINES", 50)
    fit_wafer(TINY, maps, tmp_path)
    every = record.read_metrics(tmp_path, TINY.steps)
    assert [each["step"] for each in every] == [1, 2, 3, 4, 5, 6]
    assert [each["lr"] for each in every] == sorted((each["lr"] for each in every), reverse=True)
    assert all(len(each["train_loss"]) == TINY.seeds for each in every)
    for line, of in zip(record.read_metrics(folder, TINY.steps), (every[:3], every[3:]), strict=True):
        np.testing.assert_allclose(line["train_loss"], np.mean([each["train_loss"] for each in of], axis=0), rtol=1e-6)
        assert (line["step"], line["lr"]) == (of[-1]["step"], of[-1]["lr"])


@pytest.mark.exhaustive
def test_a_seed_of_many_is_the_seed_alone(maps, trained, tmp_path):
    network, _ = trained
    alone = fit_wafer(replace(TINY, seed=4, seeds=1), maps, tmp_path)
    assert params(network, 1) == params(alone, 0)
    assert params(network, 0) != params(alone, 0)


@pytest.mark.exhaustive
def test_logits_do_not_depend_on_the_other_maps(maps, trained):
    network, _ = trained
    whole = network.logits(maps.maps)
    assert whole.shape == (2, 28, 2)
    np.testing.assert_allclose(network.logits(maps.maps[3:8]), whole[:, 3:8], rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_a_loss_that_is_not_finite_ends_the_run_with_step_and_seed(maps, tmp_path):
    config = replace(TINY, optimizer=Sgd(lr=1e6, weight_decay=1e6), schedule=Constant(), seeds=1)
    with pytest.raises(NotFinite, match=r"not finite at step \d of seed 3"):
        fit_wafer(config, maps, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1.* got 0"),
        (
            {"composing": MapMixing(alpha=0.0)},
            r"alpha must be .*got 0\.0",
        ),
        ({"composing": MapMixing(probability=1.5)}, r"probability must be in \(0, 1\], got 1.5"),
        ({"composing": MapMixing(mode="mixup", maps=3)}, "maps is for the mode overlay, got 3 with mixup"),
        ({"data": WaferData(choose_mixed=True)}, "choose_mixed is for learn_mixed"),
        ({"epochs": 0.0, "steps": 600}, "epochs must be positive"),
        ({"data": WaferData(test_seed=-1)}, "test_seed must be at least 0"),
        ({"data": WaferData(learn_mixed=True)}, "learn_mixed is for the generator's maps and the mode erm"),
    ],
)
def test_what_no_run_can_be_made_of_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **options)
