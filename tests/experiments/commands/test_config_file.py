"""Laws of --config: what a run has left is what a run can be started from, and nothing else is taken for it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from experiments import ablation, cifar, finetune, vit
from experiments.commands.command_line import parse
from experiments.commands.config_file import read_config_file
from experiments.commands.running import Job
from experiments.imagenet.presets import PRESETS as IMAGENET
from experiments.imagenet.presets import ImageNet
from experiments.speech import __main__ as speech
from mixup_jax.config import Config
from mixup_jax.runtime.identity import plain

ROOT = Path(__file__).parents[3]
JOBS = {
    "cifar": {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()},
    "vit": {name: (text, Job(config)) for name, (text, config) in vit.PRESETS.items()},
    "imagenet": {name: (text, ImageNet(config)) for name, (text, config) in IMAGENET.items()},
    "finetune": finetune.PRESETS,
}
CHANGES = ["--seeds", "2", "--batch-size", "64", "--epochs", "7.5"]


def written(folder, experiment, preset, config, name="config.json", **others):
    content = {"version": 3, "experiment": experiment, "preset": preset, "config": plain(config)} | others
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def read(experiment, *arguments):
    default = next(iter(JOBS[experiment]))
    return parse(experiment, "", JOBS[experiment], default, list(map(str, arguments)), lambda job: [job.config])


SOME = [("cifar", "small-mixup"), ("vit", "small-both"), ("finetune", "head"), ("finetune", "layer-decay")]


@pytest.mark.thorough
@pytest.mark.parametrize(("experiment", "preset"), [*SOME, ("imagenet", "resnet50-mixup")])
def test_a_configuration_that_was_left_is_the_one_that_is_carried_out(tmp_path, experiment, preset):
    _, job = parse(experiment, "", JOBS[experiment], preset, [preset, *CHANGES])
    config = job.effective().within_training()
    path = written(tmp_path, experiment, preset, config)
    name, again = read(experiment, f"--config={path}")
    assert (name, again.effective().within_training()) == (preset, config)
    assert again.sized(config, 1000) == config
    name, changed = read(experiment, preset, "--config", tmp_path, "--seeds", "5", "--label-smoothing", "0.25")
    assert (name, changed.config) == (preset, replace(config, seeds=5, label_smoothing=0.25))


def test_a_configuration_by_hand_has_the_usual_values_where_it_says_none(tmp_path):
    content = {"epochs": 3, "model": {"name": "wide_resnet", "width": 32, "blocks": [2, 2, 2]}, "seeds": 2}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "mine.json").write_text(json.dumps(content))
    expected = replace(Config(), epochs=3, model=replace(cifar.WRN28_10, width=32, blocks=(2, 2, 2)), seeds=2)
    for name in ("mine.yaml", "mine.json"):
        assert read_config_file(tmp_path / name) == (None, "mine", expected)
        assert read("cifar", "--config", tmp_path / name)[0] == "mine"


def test_a_network_of_the_speech_figure_is_trained_again_alone(tmp_path):
    for name, config in speech.configs(speech.PRESETS["small"][1]).items():
        path = written(tmp_path, "speech", name, config)
        _, job = parse("speech", "", speech.PRESETS, "figure4", ["--config", str(path)])
        assert speech.configs(job) == {name: config}


def test_what_a_table_sets_itself_is_refused_in_its_base(tmp_path):
    base = ablation.PRESETS["small"][1].config
    path = written(tmp_path, "ablation", "layer-2", replace(base, label_smoothing=0.1))
    with pytest.raises(ValueError, match="what the rows of the table differ in"):
        ablation.configs(parse("ablation", "", ablation.PRESETS, "small", ["--config", str(path)])[1])


TINY = plain(cifar.SMALL)
BAD = {
    "absent": (None, "No such file"),
    "not JSON": ("{", "not JSON"),
    "a list": ("[]", "not a JSON object"),
    "empty": ("{}", "holds no configuration"),
    "a result": ('{"test_error": {}, "seeds": [0]}', "test_error"),
    "a game": ('{"version": 3, "settings": {}}', "holds no configuration"),
    "deep": ('{"a":' * 99_999 + "1" + "}" * 99_999, "not JSON|nested"),
    "large": (" " * 2**20 + "{}", "larger than 1 MiB"),
    "unknown field": (json.dumps(TINY | {"alhpa": 1}), "has alhpa, which"),
    "unknown choice": (json.dumps(TINY | {"model": {"name": "perceiver"}}), "perceiver"),
    "word for a number": (json.dumps(TINY | {"epochs": "many"}), "epochs cannot be 'many'"),
    "truth for a number": (json.dumps(TINY | {"seeds": True}), "seeds cannot be 'True'"),
    "half a seed": (json.dumps(TINY | {"seeds": 1.5}), "seeds cannot be '1.5'"),
    "number for a part": (json.dumps(TINY | {"data": 3}), "data cannot be '3'"),
    "out of range": (json.dumps(TINY | {"epochs": -1}), "epochs must be positive"),
    "nan": (json.dumps(TINY | {"epochs": float("nan")}), "epochs must be positive"),
    "later": (json.dumps({"version": 99, "config": TINY}), "version 99 of the file, and 3 is known"),
    "no version": (json.dumps({"version": "x", "config": TINY}), "version 'x' of the file"),
    "no object": ('{"version": 3, "config": 7}', "its config is no object"),
    "another command": (json.dumps({"version": 3, "experiment": "vit", "config": TINY}), "python -m experiments.vit"),
    "no name": (json.dumps({"version": 3, "preset": [1], "config": TINY}), "its preset is no name"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_configuration_of_this_command_is_said_in_one_line(tmp_path, name):
    content, reason = BAD[name]
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=reason) as refused:
        read("cifar", "--config", tmp_path / "config.json")
    assert str(refused.value).startswith("--config")


@pytest.mark.parametrize(
    "text", ["a: &x [1]\nb: *x", "!!python/object/apply:os.system ['true']", "a: {", "a: 2020-01-01", "- 1"]
)
def test_yaml_holds_what_json_can_hold(tmp_path, text):
    (tmp_path / "mine.yml").write_text(text)
    with pytest.raises(ValueError, match="--config"):
        read("cifar", "--config", tmp_path / "mine.yml")


@pytest.mark.slow
def test_a_run_started_from_what_another_has_left_ends_with_the_same_bits(tmp_path):
    options = ["--dataset=digits", "--train-examples=128", "--width=4", "--blocks=1", "--batch-size=32", "--epochs=2"]
    for folder, given in (("a", ["small-mixup", *options]), ("b", [f"--config={tmp_path / 'a' / 'config.json'}"])):
        command = [sys.executable, "-m", "experiments.cifar", *given, f"--workdir={tmp_path / folder}"]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"XLA_FLAGS": ""}, check=True, capture_output=True)
    first, second = (
        {name: json.loads((tmp_path / folder / f"{name}.json").read_text()) for name in ("config", "result")}
        for folder in "ab"
    )
    for kept in (first["config"], second["config"]):
        del kept["command"], kept["started"]
    assert first["config"] == second["config"]
    assert first["result"]["params_digest"] == second["result"]["params_digest"]
