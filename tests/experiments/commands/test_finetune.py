"""Laws of fine-tuning: how long it takes, what its presets train, and what they refuse in one line."""

import json
import sys
from dataclasses import replace

import pytest
import tiny_runs
from test_grid_smoke import call

from experiments import finetune
from experiments.commands import command_line
from experiments.commands.command_line import parse
from experiments.commands.naming import method
from experiments.commands.running import Job, run
from experiments.finetune import PRESETS, carried_out
from mixup_jax.choices import Data
from mixup_jax.choices.networks import SIZES, PreActResNet, ViT
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.report.runs import load_runs
from mixup_jax.runtime.provenance import describe
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.training.features import are_constant
from mixup_jax.training.loop import evaluation_steps


def parsed(*arguments):
    return parse("finetune", "", PRESETS, "full", list(arguments), carried_out)[1]


@pytest.mark.parametrize("examples", [20, 300, 5000])
@pytest.mark.parametrize("steps", [1, 7, 500])
def test_steps_are_steps_whatever_the_number_of_images(examples, steps):
    job = parsed("--steps", str(steps), "--batch-size", str(min(64, examples)))
    config = job.sized(job.effective(), examples)
    assert evaluation_steps(examples, 100, config)[-1] == steps
    assert config.schedule.warmup_epochs * examples / config.batch_size == pytest.approx(
        0.1 * steps if steps > 9 else 0
    )


def test_epochs_are_taken_where_no_steps_are():
    job = parsed("--steps", "None", "--epochs", "7", "--warmup-epochs", "2")
    config = job.sized(job.effective(), 300)
    assert (config.epochs, config.schedule.warmup_epochs) == (7.0, 2.0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_goes_with_its_network_and_the_head_has_features(name):
    config = PRESETS[name][1].effective()
    data = DataIdentity("REAL", tuple("abc"), (224, 224, 3), (0.5,) * 3, (0.2,) * 3, 300, 100, False, {})
    recipe = make_recipe(config, data)
    assert are_constant(config, recipe, data.image_shape) == (name == "head")
    assert (len(recipe.frozen) > 0) == (name in ("head", "frozen"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "7"], "epochs does nothing here"),
        (["--warmup-epochs", "3"], "warmup_epochs does nothing here"),
    ],
)
def test_options_beside_those_that_count_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        parsed(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--flip"], "flip"),
        (["--pad-crop", "4"], "pad_crop"),
        (["--erase", "0.5"], "erase"),
        (["--color-jitter", "0.5"], "color_jitter"),
        (["--noise", "0.5"], "noise"),
        (["--augment", "randaugment"], "augment"),
        (["--dropout", "0.5"], "dropout"),
        (["--method", "cutmix"], "method"),
        (["--layer", "input"], "method"),
        (["--partner", "optimal"], "method"),
        (["--dataset", "imagenet", "--crop", "tensorflow"], "crop"),
        (["--dataset", "imagenet", "--test-size", "256"], "test_size"),
        (["--dataset", "imagenet", "--repeats", "2"], "repeats"),
    ],
)
def test_a_head_on_features_takes_nothing_that_would_change_its_images(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} goes without preset head") as error:
        parsed("head", *arguments).effective()
    assert "\n" not in str(error.value)


def test_a_head_sees_photographs_as_they_are_tested():
    assert parsed("head", "--dataset", "imagenet").effective().data.crop == "centre"
    assert parsed("full", "--dataset", "imagenet").effective().data.crop == Data.crop
    assert parsed("head", "--alpha", "0").effective().mixing.name == "erm"


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run the command in this process; return its exit status and what it says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command_line, "join", lambda *_: None)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["finetune.py", *arguments])
        with pytest.raises(SystemExit) as left:
            finetune.main()
        return left.value.code, [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]

    return call


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "--init is not given"),
        (["head"], "--init is not given"),
        (["--smoke", "--init", "runs/a"], "init does nothing here"),
        (["--init", "nowhere.npz", "--dataset", "digits", "--model", "vit", "--patch", "4"], "nowhere.npz"),
    ],
)
def test_what_cannot_be_fine_tuned_is_one_line(refused, arguments, fact):
    status, lines = refused(*arguments)
    assert status
    assert len(lines) == 1
    assert fact in lines[0]


def test_layers_are_not_frozen_as_they_are_drawn(tmp_path):
    config = Config(data=Data("digits", pad_crop=1), train_from="head")
    with pytest.raises(ValueError, match="train_from head is for --init"):
        run("cifar", "x", Job(config, replace(Job().launch, workdir=tmp_path / "run")))


def test_a_run_says_what_it_was_started_from():
    config = replace(PRESETS["full"][1].config, init="a.npz")
    assert method(config).endswith("fine-tuned + label smoothing 0.1")
    assert "fine-tuned from block7 on" in method(replace(config, train_from="block7"))


def test_a_size_of_a_network_is_chosen_by_its_name():
    assert parsed("--model", "vit_base_patch16_224").config.model == SIZES["vit_base_patch16_224"]()
    assert parsed().config.model == ViT()


def test_without_a_model_the_network_is_that_of_the_weights(tmp_path):
    network = PreActResNet(width=8, blocks=(1, 1))
    content = describe(Config(model=network), "cifar", "tiny", tiny_runs.DATA.identity())
    (tmp_path / "config.json").write_text(json.dumps(content))
    init = ["--init", str(tmp_path)]
    assert parsed(*init).config.model == network
    assert parsed(*init, "--dropout", "0.5").config.model == replace(network, dropout=0.5)
    assert parsed(*init, "--model", "vit", "--patch", "4").config.model == ViT(patch=4)
    assert parsed("--init", str(tmp_path / "nowhere")).config.model == ViT()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["full", "head"])
def test_the_smoke_command_pretrains_and_fine_tunes(preset, tmp_path):
    words = ["experiments.finetune", preset, "--smoke", "--seeds", "2", "--workdir", tmp_path]
    printed = call(*words)
    runs, warnings = load_runs([tmp_path])
    assert not warnings
    assert sorted(run.preset for run in runs) == sorted(["pretrained", preset])
    assert all(run.finished and len(run.seeds) == 2 for run in runs)
    assert "initial weights" in printed
    assert "epoch 1:" not in call(*words)
