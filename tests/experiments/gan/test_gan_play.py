"""Laws of playing: cut off and resumed it is the same game, and a folder is one game's."""

import json
import os
import signal
from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.gan import play as gan_play
from experiments.gan.play import Game, claimed_by, play
from mixup_jax.runtime.errors import Stopped

TINY = Game(distributions=("ring",), seeds=2, iterations=20, discriminator_steps=1, batch_size=4, width=8)
TIMES = [10, 20]


def claim(folder, job):
    with claimed_by(job, folder) as first:
        return first


@pytest.fixture
def quick_beta(monkeypatch):
    """Draw lambda uniformly: compiling the Beta distribution is most of what a game here costs."""
    monkeypatch.setattr(
        jax.random, "beta", lambda rng, a, b, shape=(), dtype=float: jax.random.uniform(rng, shape, dtype)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("quick_beta")
def test_a_game_that_was_cut_off_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(gan_play, "CHUNK", 4)
    whole = play(TINY, "ring", TIMES, tmp_path / "whole", lambda completed: None)
    heard = []

    def die(completed):
        """Die in the second piece after the first snapshot, which is the last that was saved."""
        heard.append(completed)
        if completed == 18:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(TINY, "ring", TIMES, tmp_path / "parts", die)

    def stop(completed):
        """Ask it to stop, after which it ends at the next piece and saves."""
        heard.append(completed)
        if completed == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match="at iteration 14 of 20; the same command goes on"):
        play(TINY, "ring", TIMES, tmp_path / "parts", stop)
    parts = play(TINY, "ring", TIMES, tmp_path / "parts", lambda completed: heard.append(completed))
    assert heard == [0, 4, 8, 10, 14, 18, 10, 14, 14, 18, 20]
    np.testing.assert_array_equal(parts.points, whole.points)
    assert (whole.points[0] != whole.points[1]).any()
    assert parts.iterations_per_second > 0


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


def test_going_on_with_other_code_is_said(tmp_path):
    (tmp_path / "checkpoints" / "ring" / "10").mkdir(parents=True)
    (tmp_path / "gan.json").write_text(json.dumps(claim(tmp_path / "new", TINY) | {"commit": "0123456789ab"}))
    with pytest.warns(UserWarning, match="goes on with other code: commit is 0123456789ab at its start"):
        claim(tmp_path, TINY)


def test_chunks_stop_at_every_snapshot():
    pieces = list(gan_play.chunks([10, 100, 230]))
    assert np.cumsum([count for count, _ in pieces])[[end for _, end in pieces]].tolist() == [10, 100, 230]
    assert max(count for count, _ in pieces) <= gan_play.CHUNK


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distributions": ("spiral",)}, "distribution is 'spiral'"),
        ({"distributions": ()}, "distributions must name ring, grid or both"),
        ({"alphas": (0.0,)}, "alphas must be different positive numbers"),
        ({"objective": "demo", "alphas": (2.0,)}, "at most 1"),
        ({"iterations": 0}, "iterations must be at least 1 .*got 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Game(**options)
