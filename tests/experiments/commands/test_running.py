"""What every experiment does before it trains."""

import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from experiments.commands.notices import (
    say_no_better,
    warn_of_classes,
    warn_of_devices,
    warn_of_few_steps,
    warn_of_finished,
    warn_of_shifts,
)
from experiments.commands.running import cache_compilations
from mixup_jax.choices import BigVisionRandAugment, Data, Erm, Mixup
from mixup_jax.config import Config
from mixup_jax.data.dataset import Dataset
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.sources import load, prepare
from mixup_jax.runtime.launch import Launch

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


@pytest.fixture
def cache_settings(monkeypatch, tmp_path):
    """What JAX is told of its cache is as before after the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs", "jax_enable_compilation_cache")
    before = {name: getattr(jax.config, name) for name in names}
    yield before
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_compiled_programs_are_kept_in_the_cache_folder_or_where_jax_was_told(cache_settings, monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "there")
    cache_compilations()
    assert jax.config.jax_compilation_cache_dir == cache_settings["jax_compilation_cache_dir"]
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    cache_compilations()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mixup_jax" / "xla")


@pytest.mark.parametrize(("devices", "kept"), [(1, True), (2, False)])
def test_no_program_of_several_cpu_devices_comes_from_a_cache_that_loses_the_order_of_collectives(
    cache_settings, monkeypatch, devices, kept
):
    jax.config.update("jax_enable_compilation_cache", True)
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    cache_compilations()
    assert jax.config.jax_enable_compilation_cache is kept


def test_every_command_that_computes_keeps_its_programs():
    doors = r"\b(run_presets|run_grid|run|find_pair|cache_compilations)\("  # each of them leads to cache_compilations
    commands = [path for path in EXPERIMENTS.rglob("*.py") if '__name__ == "__main__"' in path.read_text()]
    without = {path.relative_to(EXPERIMENTS).as_posix() for path in commands if not re.search(doors, path.read_text())}
    # plan compiles for other machines, models compiles nothing, and operations of a picture are NumPy's and OpenCV's
    nothing = {"__main__.py", "report.py", "prepare.py", "models.py", "plan/__main__.py", "gallery/operations.py"}
    assert without == nothing


@pytest.mark.parametrize("count", [2, 5, 7])
def test_the_subsets_are_disjoint_and_together_the_training_set(count):
    digits = load("digits")
    numbers = np.arange(1442, dtype=np.uint16).view(np.uint8).reshape(1442, 1, 2, 1)
    numbered = replace(digits, train_image=numbers, test_image=numbers[: digits.test_count])
    parts = [prepare(numbered, Data("digits", train_subset=(index, count)))[0] for index in range(count)]
    together = [part.train_image for part in parts], [part.train_label for part in parts]
    np.testing.assert_array_equal(np.concatenate(together[0]), numbered.train_image)
    np.testing.assert_array_equal(np.concatenate(together[1]), digits.train_label)


def test_the_first_examples_are_those_of_the_subset():
    digits = load("digits")
    part, _ = prepare(digits, Data("digits", train_subset=(1, 2), train_examples=10))
    np.testing.assert_array_equal(part.train_image, digits.train_image[721:731])


@pytest.mark.parametrize("part", [(-1, 2), (2, 2), (0, 0), (0, 1), (0, 1443)])
def test_a_subset_that_is_none_is_refused(part):
    with pytest.raises(ValueError, match="train_subset"):
        prepare(load("digits"), Config(data=Data("digits", train_subset=part)).data)


@pytest.mark.parametrize(
    ("fields", "examples", "said"),
    [
        ({"batch_size": 88}, 92, "30 epochs of 92 images are 31 steps of 88: few"),
        ({"batch_size": 32}, 520, "488 steps"),
        ({"batch_size": 32}, 540, ""),
        ({"init": "weights.safetensors"}, 92, ""),
        ({"data": Data("digits")}, 92, ""),
    ],
)
def test_a_training_on_images_of_ones_own_that_is_over_after_few_steps_is_told(fields, examples, said, capsys):
    warn_of_few_steps(replace(Config(data=Data("folder:mine"), epochs=30.0), **fields), examples)
    out = capsys.readouterr().out
    assert said in out
    assert bool(out) == bool(said)


@pytest.mark.parametrize(("errors", "said"), [([60.0], True), ([70.0, 60.0], True), ([70.0, 59.0], False)])
def test_networks_that_do_no_better_than_naming_one_class_are_told(errors, said, capsys):
    label = np.array([0, 2, 2, 1, 2, 1, 0, 2, 1, 0], np.int32)
    pixels = np.zeros((10, 4, 4, 1), np.uint8)
    data = Dataset("blank", "SYNTHETIC", ("a", "b", "c"), pixels, label, pixels, label, (0.0,), (1.0,))
    say_no_better({"test_error": {"last": errors}}, data)
    out = capsys.readouterr().out
    assert bool(out) == said
    assert not said or "naming c for every one errs in 60.00 %" in out


def test_classes_of_which_a_set_has_no_image_are_said(capsys):
    digits = load("digits")
    warn_of_classes(digits)
    assert not capsys.readouterr().out
    some, _ = prepare(hold_out(digits, 3), Data("digits", train_examples=2))
    warn_of_classes(some)
    said = capsys.readouterr().out
    for part in ("training", "validation"):
        label = getattr(some, f"{part[:5]}_label")
        lacking = [name for number, name in enumerate(digits.classes) if number not in label]
        assert f"no {part} image of {len(lacking)} of 10 classes: {', '.join(lacking)}" in said


@pytest.mark.parametrize(("magnitude", "side", "said"), [(10.0, 32, True), (3.0, 32, False), (10.0, 224, False)])
def test_shifts_beyond_the_image_are_said(capsys, magnitude, side, said):
    warn_of_shifts(Config(augment=BigVisionRandAugment(magnitude=magnitude)), (side, side, 3))
    assert ("100 pixels" in capsys.readouterr().out) == said


@pytest.mark.parametrize(
    ("fields", "devices", "said"),
    [
        ({}, 8, "partners come from the whole batch of 128: images cross devices at each step; --block 16 keeps them"),
        ({"batch_size": 1024}, 8, "from the whole batch of 1,024: .* --block 32 keeps them local"),
        ({"seeds": 4}, 8, "--block 32 keeps"),
        ({"mixing": Mixup(block=32)}, 8, "partners come from runs of 32: .* --block 16"),
        ({"mixing": Mixup(partner="same_class")}, 8, "images cross devices at each step$"),
        ({}, 128, "images cross devices at each step$"),
        ({"mixing": Mixup(block=16)}, 8, ""),
        ({"mixing": Mixup(partner="neighbours")}, 8, ""),
        ({"mixing": Erm()}, 8, ""),
        ({"seeds": 8}, 8, ""),
        ({}, 1, ""),
    ],
)
def test_it_is_said_where_images_cross_devices_and_which_block_keeps_them(fields, devices, said, capsys):
    warn_of_devices(Config(**fields), "tpu", devices)
    out = capsys.readouterr().out
    assert re.search(said, out)
    assert bool(out) == bool(said)
    assert len(out.splitlines()) <= 1


def test_it_is_said_where_a_precision_changes_nothing(capsys):
    for platform, lines in (("cpu", 1), ("gpu", 0)):
        warn_of_devices(Config(matmul_precision="highest"), platform, 1)
        assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.parametrize(
    ("options", "finished", "named"),
    [
        ({"profile": 5}, True, ["--profile"]),
        ({"profile": 5, "tensorboard": True}, True, ["--profile", "--track"]),
        ({"profile": 5}, False, []),
        ({}, True, []),
    ],
)
def test_a_line_says_that_a_finished_run_is_not_trained_and_which_options_do_nothing(
    capsys, tmp_path, options, finished, named
):
    warn_of_finished(tmp_path, Launch(**options), finished)
    lines = capsys.readouterr().out.splitlines()
    assert ["nothing is trained" in line for line in lines] == [True] * finished
    assert [name for name in ("--profile", "--track") if lines and name in lines[0]] == named


def test_a_trace_of_less_than_no_steps_is_refused():
    with pytest.raises(ValueError, match="profile must be at least 0, got -1"):
        Launch(profile=-1)
