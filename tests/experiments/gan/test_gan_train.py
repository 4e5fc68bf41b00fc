"""Laws of training GANs: cut off and resumed it gives the same bits, and a folder is one run's."""

import json
import os
import signal
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.gan import train as gan_train
from experiments.gan.train import GanConfig, claimed_by, train_gan
from mixup_jax.runtime import resumable
from mixup_jax.runtime.errors import NotFinite, Stopped
from mixup_jax.runtime.progress import Bar

TINY = GanConfig(distributions=("ring",), seeds=2, iterations=20, discriminator_steps=1, batch_size=4, width=8)
TIMES = [10, 20]


def claim(folder, job):
    with claimed_by(job, folder) as first:
        return first


@pytest.mark.slow
@pytest.mark.usefixtures("quick_beta")
def test_a_training_that_was_cut_off_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = train_gan(TINY, "ring", TIMES, tmp_path / "whole")
    monkeypatch.setattr(resumable, "CALL_SECONDS", 0.0)  # one step at a time
    monkeypatch.setattr(gan_train._Run, "save_seconds", 0.0)  # after each time that is looked at
    heard = []

    def at(steps, action):
        def update(_, step, __):
            heard.append(step)
            if step == steps:
                action()

        monkeypatch.setattr(Bar, "update", update)

    def die():
        raise KeyboardInterrupt

    at(15, die)  # after the first time, which is the last that was saved
    with pytest.raises(KeyboardInterrupt):
        train_gan(TINY, "ring", TIMES, tmp_path / "parts")
    at(12, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped, match=r"at step 1[345] of 20; the same command goes on"):
        train_gan(TINY, "ring", TIMES, tmp_path / "parts")
    at(0, die)
    parts = train_gan(TINY, "ring", TIMES, tmp_path / "parts")
    assert heard.count(10) == 1
    assert heard.count(11) == 2  # from the checkpoint of step 10
    assert heard.count(12) == 2
    assert heard.count(20) == 1
    np.testing.assert_array_equal(parts.points, whole.points)
    assert (whole.points[0] != whole.points[1]).any()
    assert parts.iterations_per_second > 0


@pytest.mark.slow
@pytest.mark.usefixtures("quick_beta")
def test_a_seed_is_the_same_game_wherever_the_seeds_begin(tmp_path):
    both, second = train_gan(TINY, "ring", TIMES, tmp_path / "a"), replace(TINY, seed=1, seeds=1)
    alone = train_gan(second, "ring", TIMES, tmp_path / "b")
    np.testing.assert_allclose(alone.points[:, :, 0], both.points[:, :, 1], atol=1e-5)
    assert not np.allclose(alone.points[:, :, 0], both.points[:, :, 0], atol=1e-2)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_beta")
def test_a_game_that_is_not_finite_ends_with_step_seed_and_alpha(tmp_path, monkeypatch):
    monkeypatch.setattr(gan_train, "draw_points", lambda rng, means, count: jnp.zeros((count, 2)))
    monkeypatch.setattr(gan_train, "centres", lambda name: np.full((8, 2), np.inf, np.float32))
    with pytest.raises(NotFinite, match=r"not finite at step \d+ of seed 0, alpha 0; there is no checkpoint yet"):
        train_gan(TINY, "ring", TIMES, tmp_path)


def test_a_folder_that_holds_a_game_of_other_settings_is_refused(tmp_path):
    other = replace(TINY, width=16, alphas=(0.5,))
    assert claim(tmp_path, other)["settings"]["width"] == 16
    first = claim(tmp_path, TINY)  # nothing was played yet
    assert first["settings"]["width"] == 8
    (tmp_path / "checkpoints" / "ring" / "10").mkdir(parents=True)
    assert claim(tmp_path, replace(TINY, workdir=tmp_path)) == first
    message = r"holds a run of other settings: alphas is \[0.2\] there and \[0.5\] here; width is 8 there and 16 here\."
    with pytest.raises(ValueError, match=message):
        claim(tmp_path, other)
    (tmp_path / "checkpoints" / "ring" / "10").rmdir()
    (tmp_path / "gan.json").write_text(json.dumps(first | {"quality": {}}))  # finished
    with pytest.raises(ValueError, match="other settings"):
        claim(tmp_path, other)


def test_a_demo_that_mixed_batches_with_their_permutations_is_no_demo_of_today(tmp_path):
    demo = replace(TINY, objective="demo")
    first = claim(tmp_path, demo)
    del first["settings"]["mixed_with"]  # as it was before
    (tmp_path / "gan.json").write_text(json.dumps(first | {"quality": {}}))
    with pytest.raises(ValueError, match="mixed_with is its permutation there and a second batch here"):
        claim(tmp_path, demo)


def test_going_on_with_other_code_is_said(tmp_path):
    (tmp_path / "checkpoints" / "ring" / "10").mkdir(parents=True)
    (tmp_path / "gan.json").write_text(json.dumps(claim(tmp_path / "new", TINY) | {"commit": "0123456789ab"}))
    with pytest.warns(UserWarning, match="goes on with other code: commit is 0123456789ab at its start"):
        claim(tmp_path, TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distributions": ("spiral",)}, "distribution is 'spiral'"),
        ({"distributions": ()}, "distributions must name ring, grid or both"),
        ({"alphas": (0.0,)}, "alphas must be different positive numbers"),
        ({"objective": "demo", "alphas": (2.0,)}, "at most 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**32 - 1, "seeds": 2}, "seed must be .* at most 4,294,967,294"),
        ({"iterations": 0}, "iterations must be at least 1 .*got 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GanConfig(**options)
