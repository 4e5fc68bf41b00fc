"""Laws of states in parts: each device holds its part alone, and what is learned is what a whole state learns."""

import json
import math
import os
import signal
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from several_processes import run as run_processes
from tiny_runs import DATA, MLP, Run, assert_close, assert_equal, changed

from mixup_jax.choices import AdamW
from mixup_jax.choices.networks import ViT
from mixup_jax.runtime.checkpoint import fingerprint, open_checkpoints
from mixup_jax.runtime.devices.mesh import place, shard
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.progress import Bar
from mixup_jax.runtime.signals import Stopped
from mixup_jax.training.fsdp import SPLIT_FROM
from mixup_jax.training.loop import fit
from mixup_jax.training.trained import load_trained

WIDE = changed(MLP, width=512)  # its middle kernel is just large enough
CONFIGS = {
    "mlp": WIDE,
    "two seeds": changed(WIDE, seeds=2, ema=0.9),
    "vit": replace(
        changed(MLP, accumulate=2),
        model=ViT(width=256, depth=1, patch=2, stochastic_depth=0.1),
        optimizer=AdamW(clip=1.0, layer_decay=0.75),
        ema=0.9,
    ),
    "lamb": changed(WIDE, optimizer="lamb", loss="bce"),
}


@cache
def run(name, fsdp):
    return Run(CONFIGS[name], fsdp=fsdp)


NAMES = ["two seeds", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mlp", "vit", "lamb"))]


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_each_device_holds_its_part_of_every_large_array_before_and_after_a_step(name):
    there = run(name, fsdp=True)
    parts, split = there.mesh.shape["data"], 0
    for state, _ in (there.start(), there.train(there.start(), 2)):
        for path, leaf in jax.tree.leaves_with_path(state):
            size = math.prod(leaf.shape[1:])
            held = math.prod(leaf.addressable_shards[0].data.shape[1:])
            assert held == (size // parts if size >= SPLIT_FROM else size), jax.tree_util.keystr(path)
            split += held < size
    networks = sum(each is not None for each in (state.params, state.opt_state, state.average))
    assert split >= 2 * networks


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_states_in_parts_learn_what_whole_ones_learn(name):
    plain, parts = (run(name, fsdp).train(run(name, fsdp).start(), 3) for fsdp in (False, True))
    np.testing.assert_allclose(parts[1].loss, plain[1].loss, rtol=1e-5)
    assert_close(parts[0].params, plain[0].params, 1e-4)
    assert_close(parts[0].average, plain[0].average, 1e-4)
    sums = [
        run(name, fsdp).run.score(state, run(name, fsdp).run.test)
        for fsdp, (state, _) in ((False, plain), (True, parts))
    ]
    assert_close(sums[1], sums[0], 1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("saved", [True, False])
def test_a_checkpoint_of_parts_is_one_of_a_whole_state(saved, tmp_path):
    one, other = run("two seeds", saved), run("two seeds", not saved)
    state, _ = one.train(one.start(), 2)
    with open_checkpoints(tmp_path, 1) as checkpoints:
        checkpoints.save({"state": state}, 2, None)
        checkpoints.wait()
        found = checkpoints.restore({"state": other.start()[0]})
    assert_equal(found["state"], state)
    for leaf, like in zip(jax.tree.leaves(found["state"]), jax.tree.leaves(other.start()[0]), strict=True):
        assert leaf.sharding.is_equivalent_to(like.sharding, leaf.ndim)


def test_the_fingerprint_of_an_array_in_parts_is_that_of_its_numbers_in_a_row():
    mesh = Run(MLP).mesh
    array = np.random.default_rng(0).normal(size=(6, 16, 5)).astype(np.float32)
    weight = np.arange(array.size, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(1)
    expected = np.sum(array.view(np.uint32).reshape(-1) * (weight | np.uint32(1)), dtype=np.uint32)
    for axes in ((), (None, "data")):
        assert fingerprint([place(array, shard(mesh, *axes))]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_in_parts_or_whole(first, tmp_path, monkeypatch):
    expected = fit(WIDE, DATA, Launch(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "evaluated", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Stopped):
            fit(WIDE, DATA, Launch(fsdp=first), tmp_path / "run")
    result = fit(WIDE, DATA, Launch(fsdp=not first), tmp_path / "run")
    assert result["test_error"] == expected["test_error"]
    answers = [np.load(tmp_path / folder / "predictions.npz") for folder in ("whole", "run")]
    for name in answers[0].files:
        np.testing.assert_allclose(answers[1][name], answers[0][name], atol=1e-4, err_msg=name)
    states = [
        load_trained(tmp_path / folder / "checkpoints", WIDE, DATA.identity()).states for folder in ("whole", "run")
    ]
    assert_close(states[0].params, states[1].params, 1e-4)


@pytest.mark.parametrize(
    ("config", "devices", "words"),
    [
        (WIDE, 1, "the batch lies on one device. Leave it out"),
        (changed(WIDE, seeds=8), 8, "the batch lies on one device; the 8 devices are for the seeds"),
        (MLP, 8, "no parameter has 262,144 numbers and an axis that divides by the 8 devices"),
    ],
)
def test_where_it_does_nothing_it_is_refused(config, devices, words):
    with pytest.raises(ValueError, match=f"fsdp does nothing here: {words}"):
        Run(config, devices, fsdp=True)


@pytest.mark.slow
def test_processes_hold_parts_together_and_their_run_can_be_exported(tmp_path):
    options = "--dataset=digits --train-examples=256 --model=mlp --width=512 --batch-size=32 --epochs=3 --eval-every=1"
    train = ["-m", "experiments.cifar", "small-mixup", *options.split(), "--seeds=1", "--lr=0.02", "--ema=0.9"]
    curves = []
    for name, (processes, devices) in {"plain": (1, 1), "parts": (2, 2)}.items():

        def command(coordinator, process, folder=tmp_path / name, processes=processes):
            together = [f"--coordinator={coordinator}", f"--processes={processes}", f"--process-id={process}", "--fsdp"]
            return [*train, f"--workdir={folder}", *(together if coordinator else [])]

        run_processes(processes, devices, command)
        lines = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        curves.append([(line["train_loss"], line["test_loss"]) for line in lines])
    np.testing.assert_allclose(curves[1], curves[0], atol=1e-3)
    exported = tmp_path / "exported"
    run_processes(1, 1, lambda *_: ["-m", "experiments.export", tmp_path / "parts", "-o", exported])
    assert list(exported.glob("*.safetensors"))
