"""Laws of a whole run: stopped or not, alone or in company, it ends with the same numbers."""

import json
import math
import os
import shutil
import signal
import time
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_runs import DATA, MLP, changed

from experiments.cifar import ERM, SMALL
from mixup_jax import config_checks
from mixup_jax.choices import AdamW, BinaryCrossEntropy, Cosine, RandAugment, Switch
from mixup_jax.choices.networks import PreActResNet, ViT
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.sources import load
from mixup_jax.runtime.errors import NotFinite
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.progress import Bar
from mixup_jax.runtime.signals import Stopped, stop_on_signals
from mixup_jax.training.loop import evaluation_steps, fit
from mixup_jax.training.trained import load_trained

CONFIG = changed(MLP, epochs=5.0, eval_every=1.0)
CLOCK = ("seconds", "images_per_second", "step_seconds", "waiting")


def metrics(folder):
    """The lines of metrics.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCK} for line in lines]


def once(number):
    """Return a method that sends this process a signal when it is called first: a second signal would end it."""
    left = [number]
    return lambda *_: left and os.kill(os.getpid(), left.pop())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its folder and its result."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fit(CONFIG, DATA, Launch(), folder)


@pytest.mark.thorough
@pytest.mark.parametrize("moment", ["evaluated", "update"])
def test_a_run_stopped_by_a_signal_and_started_again_is_the_uninterrupted_run(whole, tmp_path, monkeypatch, moment):
    stops = []
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with monkeypatch.context() as patch:
            patch.setattr(Bar, moment, once(each))
            with pytest.raises(Stopped, match=r"at step \d+ of 15; the same command goes on from there") as stopped:
                fit(CONFIG, DATA, Launch(), tmp_path)
        assert stopped.value.exit_code == 128 + each
        stops.append(int(str(stopped.value).split()[2]))
    assert 0 < stops[0] < stops[1] < stops[2] < 15
    result = fit(CONFIG, DATA, Launch(), tmp_path)
    assert result["params_digest"] == whole[1]["params_digest"]
    assert result["test_error"] == whole[1]["test_error"]
    assert metrics(tmp_path) == metrics(whole[0])


@pytest.mark.thorough
def test_a_transformer_under_a_recipe_of_today_resumes_to_the_same_bits(tmp_path, monkeypatch):
    config = replace(
        CONFIG,
        data=replace(CONFIG.data, erase=0.25, repeats=2),
        augment=RandAugment(),
        model=ViT(width=16, depth=2, patch=2, stochastic_depth=0.2),
        mixing=Switch(alpha=0.8),
        optimizer=AdamW(clip=1.0, layer_decay=0.75),
        schedule=Cosine(warmup_epochs=1.0, end_lr=1e-5, lr_per="epoch"),
        loss=BinaryCrossEntropy(target_threshold=0.2),
        ema=0.9,
    )
    expected = fit(config, DATA, Launch(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "update", once(signal.SIGTERM))
        with pytest.raises(Stopped):
            fit(config, DATA, Launch(), tmp_path / "stopped")
    result = fit(config, DATA, Launch(), tmp_path / "stopped")
    assert result["params_digest"] == expected["params_digest"]
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


@pytest.mark.thorough
def test_a_validation_set_is_evaluated_at_the_end_and_changes_no_parameter(whole, tmp_path):
    data = replace(DATA, valid_image=DATA.test_image, valid_label=DATA.test_label)
    result = fit(CONFIG, data, Launch(), tmp_path)
    assert result["valid_error"] == result["test_error"]["last"]
    assert result["params_digest"] == whole[1]["params_digest"]
    assert "valid_error" not in whole[1]


def test_how_often_is_evaluated_changes_no_parameter(whole, tmp_path):
    result = fit(changed(CONFIG, eval_every=2.5), DATA, Launch(keep=1), tmp_path)
    assert result["params_digest"] == whole[1]["params_digest"]
    assert [line["step"] for line in metrics(tmp_path)] == [8, 15]
    assert metrics(tmp_path)[-1]["test_error"] == metrics(whole[0])[-1]["test_error"]


def test_the_result_sums_the_metrics_up(whole):
    folder, result = whole
    lines = metrics(folder)
    assert [line["step"] for line in lines] == [3, 6, 9, 12, 15]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    errors = np.array([line["test_error"] for line in lines])
    assert result["test_error"] == {
        "best": errors.min(axis=0).tolist(),
        "last": errors[-1].tolist(),
        "median_last_10": np.median(errors, axis=0).tolist(),
    }
    assert np.sum(result["reliability"]["count"]) == len(DATA.test_label)
    assert lines[0]["lr"] > lines[-1]["lr"] > 0
    assert result["first_step_seconds"] > 0
    assert lines[-1]["train_loss"][0] < lines[0]["train_loss"][0]
    json.dumps(result)


def test_a_finished_run_started_again_returns_its_result_and_trains_nothing(whole, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(whole[0], folder)
    result = fit(CONFIG, DATA, Launch(), folder)
    assert result.pop("speed")["step_seconds"]["median"] is None
    assert result == {name: each for name, each in whole[1].items() if name != "speed"} | {"first_step_seconds": None}
    assert (folder / "metrics.jsonl").read_bytes() == (whole[0] / "metrics.jsonl").read_bytes()


@pytest.mark.thorough
def test_a_seed_in_company_has_the_numbers_it_has_alone(whole, tmp_path):
    fit(changed(CONFIG, seeds=2), DATA, Launch(), tmp_path)
    for line, alone in zip(metrics(tmp_path), metrics(whole[0]), strict=True):
        for name, value in alone.items():
            if isinstance(value, list):
                assert len(line[name]) == 2
                # one image of the 29 of the test set may be on the fence
                tolerance = 100 / len(DATA.test_label) if "error" in name or "ece" in name else 1e-3
                np.testing.assert_allclose(line[name][0], value[0], atol=tolerance + 1e-6, err_msg=name)
            else:
                assert line[name] == value


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lr": 1e30}, r"not finite at step \d of seed 0; there is no checkpoint yet"),
        (
            {"schedule": "step", "decay_epochs": (2.0,), "decay_factor": 1e30},
            r"not finite at step [67] of seed 0; the last good checkpoint is step 6",
        ),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_last_good_checkpoint(
    tmp_path, monkeypatch, fields, message
):
    monkeypatch.setattr(config_checks, "LARGEST", math.inf)
    config = changed(CONFIG, **fields)
    for _ in range(2):  # the same command meets it again, from the checkpoint
        with pytest.raises(NotFinite, match=message):
            fit(config, DATA, Launch(), tmp_path)
    lines = metrics(tmp_path) if (tmp_path / "metrics.jsonl").exists() else []
    assert all(np.isfinite(line["train_loss"]).all() for line in lines)


def test_a_batch_that_the_devices_cannot_share_is_refused(tmp_path):
    with pytest.raises(ValueError, match="batch_size 12 cannot be split over 8"):
        fit(changed(CONFIG, batch_size=12), DATA, Launch(), tmp_path)


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"batch_size is 64; it must be between 1 and the 48 images"):
        fit(changed(CONFIG, batch_size=64), DATA, Launch(), tmp_path)


@pytest.mark.parametrize("eval_every", [0.0, -1.0, float("nan")])
def test_evaluating_never_is_refused(eval_every):
    with pytest.raises(ValueError, match="eval_every must be positive"):
        changed(CONFIG, eval_every=eval_every)


def test_evaluations_end_with_the_run_and_evaluates_at_the_first_step_of_each_interval():
    config = changed(CONFIG, batch_size=10, epochs=2.5)
    assert evaluation_steps(25, 100, config) == (3, 5, 6)
    assert evaluation_steps(25, 100, changed(config, eval_every=100.0)) == (6,)
    assert evaluation_steps(25, 100, changed(config, eval_every=0.5)) == (2, 3, 4, 5, 6)
    assert evaluation_steps(25, 100, changed(config, epochs=0.01)) == (1,)


def test_a_large_test_set_is_evaluated_on_less_often():
    config = changed(CONFIG, batch_size=10, epochs=9.0, eval_every=None)
    assert evaluation_steps(100, 30, config) == tuple(range(10, 91, 10))
    assert evaluation_steps(100, 200, config) == (40, 80, 90)


def test_signals_mean_what_they_meant_before_once_a_run_is_over():
    numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
    before = [signal.getsignal(number) for number in numbers]
    with stop_on_signals() as flag:
        assert not flag.agreed(0)[0]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert flag.agreed(0)[0]
        assert flag.stopped("x").exit_code == 143
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_run_under_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as flag:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
            assert not flag.agreed(0)[0]
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_training_errors_are_those_on_real_and_on_corrupted_labels(tmp_path):
    label, mask = corrupt_labels(DATA.train_label, 0.5, len(DATA.classes))
    data, config = replace(DATA, train_label=label, corrupted=mask), changed(CONFIG, seeds=2, batch_size=12)
    result = fit(config, data, Launch(), tmp_path)
    trained = load_trained(tmp_path / "checkpoints", config, data.identity())
    for seed in range(2):
        predicted = np.argmax(trained.logits(trained.of_seed(seed), jnp.asarray(data.train_image, jnp.float32)), axis=1)
        wrong = predicted != label
        assert result["train_error_real"][seed] == pytest.approx(100 * wrong[~mask].mean())
        assert result["train_error_corrupted"][seed] == pytest.approx(100 * wrong[mask].mean())
    assert result["train_error_real"] != result["train_error_corrupted"]


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.98, 0.9999])
def test_averages_of_a_short_run_are_as_good_as_the_network_itself(tmp_path, ema):
    data = load("digits")
    data = replace(data, train_image=data.train_image[:1000], train_label=data.train_label[:1000])
    config = replace(
        SMALL,
        model=PreActResNet(width=8, blocks=(1, 1, 1), stem_stride=2),  # BatchNorm, unlike tiny_runs' MLP
        mixing=ERM,
        ema=ema,
        epochs=20.0,
        eval_every=20.0,
        seeds=1,
    )
    result = fit(config, data, Launch(), tmp_path)
    assert result["test_error_raw"][0] < 10  # percent: it has learned
    assert abs(result["test_error"]["last"][0] - result["test_error_raw"][0]) <= 1
    assert metrics(tmp_path)[-1]["test_error_raw"] == result["test_error_raw"]


@pytest.mark.thorough
def test_averages_that_are_mostly_the_first_weights_are_named(tmp_path):
    config = changed(MLP, ema=0.999, epochs=1 / 3)  # one step
    with pytest.warns(UserWarning, match="step 1: the averages of ema are still 10% first weights"):
        fit(config, DATA, Launch(), tmp_path)


@pytest.mark.parametrize("left", [0, 4])
def test_a_finished_training_is_summed_up_whatever_lines_are_lost(whole, tmp_path, left):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join(lines[:left]) + '{"step": 15, "test_er')
    with pytest.warns(UserWarning, match=f"lacks {5 - left} evaluations before step 15"):
        result = fit(CONFIG, DATA, Launch(), tmp_path)
    for name in ("params_digest", "test_loss", "train_subset_error", "reliability"):
        assert result[name] == whole[1][name]
    assert result["test_error"]["last"] == whole[1]["test_error"]["last"]
    assert [line["step"] for line in metrics(tmp_path)] == [*[3, 6, 9, 12][:left], 15]
