"""Laws of streams: the loop and the step see of a streamed data set what they see of one in memory."""

import multiprocessing
import os
import signal
import threading
from dataclasses import replace

import jax
import numpy as np
import pytest
from tiny_runs import assert_close

from experiments.imagenet.archives import photograph
from mixup_jax.choices import Constant, Data, Mixup, Sgd
from mixup_jax.choices.networks import MLP, PreActResNet
from mixup_jax.config import Config
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.data.sources import prepare
from mixup_jax.runtime.devices.mesh import make_mesh, shard
from mixup_jax.runtime.launch import Launch
from mixup_jax.training.loop import STREAMED_STEPS_PER_CALL, Run, fit
from mixup_jax.training.stream import AHEAD, BatchStream, EvaluationStream, rows_of_process

CONFIG = Config(
    data=Data("imagenet", pad_crop=0, image_size=8),
    model=MLP(width=4),
    mixing=Mixup(alpha=0.2, block=4),
    optimizer=Sgd(lr=0.02),
    schedule=Constant(),
    batch_size=16,
    epochs=4.0,
    eval_every=1.0,
)


class InMemory:
    """Photographs by number; class 0, 1 or 2."""

    def __init__(self, first, count):
        self.numbers = range(first, first + count)
        self.encoded = {number: photograph(number % 3, number) for number in self.numbers}

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        number = self.numbers[index]
        return Photograph(f"{number}.JPEG", number % 3, self.encoded[number])


@pytest.fixture(scope="module")
def data():
    return StreamedDataset(
        "some", "SYNTHETIC", ("a", "b", "c"), InMemory(0, 40), InMemory(50, 21), (0.5,) * 3, (0.2,) * 3, size=8
    )


def host(tree):
    return jax.tree.map(np.asarray, tree)


@pytest.mark.thorough
@pytest.mark.parametrize("repeats", [1, 4])
def test_batches_are_the_same_on_any_devices_and_from_any_step_on(data, repeats):
    taken, data = [], replace(data, repeats=repeats)
    for devices, start in ((1, 0), (8, 0), (8, 2)):
        stream = BatchStream(data, [0], 16, make_mesh(1, 16, jax.devices()[:devices]), workers=0)
        calls = [*stream.calls(start, 1), *stream.calls(start + 1, 3 - start)]
        stream.close()
        assert {steps for _, steps in calls} == {1}
        assert len(calls[0][0].image.sharding.device_set) == devices
        taken.append([host(batch) for batch, _ in calls])
    for other in (taken[1], [None, None, *taken[2]]):
        for one, another in zip(taken[0], other, strict=True):
            if another is not None:
                jax.tree.map(np.testing.assert_array_equal, one, another)


class Counted(InMemory):
    """Photographs that say when so many more have been read, and by which threads."""

    def __init__(self, count, more):
        super().__init__(0, count)
        self.left, self.threads, self.enough = more, set(), threading.Event()

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        self.left -= 1
        if self.left <= 0:
            self.enough.set()
        return super().__getitem__(index)


def test_while_nobody_asks_the_next_batches_are_decoded_in_the_background_and_some_are_on_the_devices(data):
    train = Counted(40, (AHEAD + 2) * 16)  # one that is asked for, those that lie ready, and one that nobody asks for
    stream = BatchStream(replace(data, train=train), [0], 16, make_mesh(1, 16, jax.devices()[:1]), workers=0)
    batch, _ = next(stream.calls(0, 1))
    assert train.enough.wait(60)
    assert threading.get_ident() not in train.threads
    assert len(stream._ready) == AHEAD
    assert {type(each.image) for each in stream._ready} == {type(batch.image)} == {type(jax.numpy.zeros(()))}
    stream.close()


def test_rows_of_processes_are_those_of_their_devices():
    mesh, rows = make_mesh(2, 16), [(seed, row) for seed in (4, 7) for row in range(16)]
    assert rows_of_process(shard(mesh, "seed", "data"), (7, 4), 16) == tuple(rows)
    assert rows_of_process(shard(mesh), (7, 4), 16) == tuple(rows)
    assert rows_of_process(shard(mesh, "seed", "data"), (4, 4), 16) == tuple(rows[:16])  # decoded once


SEEDS = [5, 6, 5, 6]
"""Of two alphas and two seeds."""


def test_batches_of_several_networks_are_those_of_each_seed_alone_on_any_mesh(data):
    taken = {}
    for seeds, devices in ((SEEDS, 1), (SEEDS, 2), (SEEDS, 8), ([5, 6, 5], 8), ([5], 1), ([6], 8)):
        mesh = make_mesh(len(seeds), 16, jax.devices()[:devices])
        stream = BatchStream(data, seeds, 16, mesh, workers=0)
        ((first, _), (second, _)) = stream.calls(1, 2)
        stream.close()
        assert first.image.sharding.is_equivalent_to(shard(mesh, "seed", "data"), 5)
        taken[tuple(seeds), devices] = host((first, second))
    for (seeds, _), batches in taken.items():
        for index, seed in enumerate(seeds):
            alone = taken[(seed,), 1 if seed == 5 else 8]
            for one, another in zip(batches, alone, strict=True):
                np.testing.assert_array_equal(one.image[index], another.image[0])
                np.testing.assert_array_equal(one.label[index], another.label[0])


@pytest.mark.thorough
@pytest.mark.parametrize(("devices", "tolerance"), [(1, 0), (2, 1e-5)])
def test_seed_i_of_several_on_a_stream_is_seed_i_alone(data, tmp_path, devices, tolerance):
    several = replace(CONFIG, seed=3, seeds=2, mixing=replace(CONFIG.mixing, alpha=(0.2, 8.0)), epochs=1.2)
    alone = replace(several, seed=4, seeds=1, mixing=replace(CONFIG.mixing, alpha=8.0))
    states = []
    for config, count in ((several, devices), (alone, 1)):
        run = Run(config, data, tmp_path, devices=jax.devices()[:count])
        (state, _), _ = run.advance(run.start(), 0, 3)
        run.train.close()
        states.append(state.params)
    together, single = states
    assert_close(jax.tree.map(lambda leaf: leaf[3:], together), single, tolerance)


@pytest.mark.parametrize("devices", [1, 8])
def test_every_test_image_is_evaluated_once(data, devices):
    stream = EvaluationStream(data, "test", range(21), 16, make_mesh(1, 16, jax.devices()[:devices]))
    parts = [host(part) for part in stream.parts()]
    assert [part.image.shape for part in parts] == [(1, 16, 8, 8, 3)] * 2
    assert sum(part.mask.sum() for part in parts) == 21
    labels = np.concatenate([part.label[part.mask] for part in parts])
    assert labels.tolist() == [number % 3 for number in range(50, 71)]


@pytest.mark.thorough
def test_few_batches_are_handed_over_at_once_however_fast_steps_are(data, tmp_path, monkeypatch):
    counts = []
    calls = BatchStream.calls

    def counted(stream, step, count):
        counts.append(count)
        return calls(stream, step, count)

    monkeypatch.setattr(BatchStream, "calls", counted)
    fit(replace(CONFIG, epochs=24.0, eval_every=24.0), data, Launch(), tmp_path)
    assert sum(counts) == 60
    assert max(counts) == STREAMED_STEPS_PER_CALL


@pytest.mark.thorough
def test_labels_drawn_at_random_are_measured_apart_from_the_others(data, tmp_path):
    noisy, _ = prepare(data, replace(CONFIG.data, label_noise=0.5))
    result = fit(replace(CONFIG, epochs=2.0, eval_every=2.0, seeds=2), noisy, Launch(), tmp_path)
    share = noisy.corrupted.mean()
    parts = (np.array(result[f"train_error_{name}"]) for name in ("real", "corrupted"))
    together = sum(weight * error for weight, error in zip((1 - share, share), parts, strict=True))
    np.testing.assert_allclose(together, result["train_subset_error"], rtol=1e-5)  # of all 40, as they are given


@pytest.mark.thorough
def test_what_is_tested_may_be_larger_than_what_is_trained_on_where_the_network_takes_it(data, tmp_path):
    larger = replace(CONFIG, data=replace(CONFIG.data, test_size=12))
    run = Run(replace(larger, model=PreActResNet(width=4, blocks=(1,))), replace(data, test_size=12), tmp_path)
    assert int(run.score(run.start()[0], run.test)["count"].sum()) == 21
    with pytest.raises(ValueError, match=r"test_size must be the size of the training, 8, for mlp.*got 12"):
        Run(larger, replace(data, test_size=12), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [1, 2])
def test_a_run_counts_each_image_and_resumes_to_the_same_bits(data, tmp_path, repeats):
    config = replace(CONFIG, data=replace(CONFIG.data, repeats=repeats))
    data = replace(data, repeats=repeats)
    whole = fit(config, data, Launch(keep=9), tmp_path / "whole")
    assert sum(whole["reliability"]["count"][0]) == 21
    assert len((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()) == 4

    (tmp_path / "resumed").mkdir()
    steps = sorted(int(path.name) for path in (tmp_path / "whole" / "checkpoints").iterdir() if path.name.isdigit())
    assert len(steps) == 4
    source, target = (tmp_path / name / "checkpoints" for name in ("whole", "resumed"))
    target.mkdir()
    (source / str(steps[1])).rename(target / str(steps[1]))
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines(True)
    (tmp_path / "resumed" / "metrics.jsonl").write_text("".join(lines[:2]))
    resumed = fit(config, data, Launch(), tmp_path / "resumed")
    assert resumed["params_digest"] == whole["params_digest"]
    assert resumed["test_loss"] == whole["test_loss"]


REFUSED = {
    "batch": (replace(CONFIG, batch_size=48, mixing=Mixup()), "between 1 and the 40 images"),
    "devices": (replace(CONFIG, batch_size=12, mixing=Mixup()), "cannot be split over 8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_with_a_stream_is_refused(data, tmp_path, name):
    config, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        Run(config, data, tmp_path)


class Killed(InMemory):
    """Photographs that no worker survives."""

    def __getitem__(self, index):
        if multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGBUS)
        return super().__getitem__(index)


@pytest.mark.thorough
def test_a_worker_without_shared_memory_is_one_line_that_says_how_to_give_it_some(data):
    stream = BatchStream(replace(data, train=Killed(0, 40)), [0], 16, make_mesh(1, 16, jax.devices()[:1]), workers=1)
    with pytest.raises(OSError, match=r"1 workers .* SIGBUS: /dev/shm.*--workers"):
        next(stream.calls(0, 1))
    stream.close()
