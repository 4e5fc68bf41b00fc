"""Laws of what is given: it does something or is refused, and what a preset leaves of another choice is no error."""

import contextlib
from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from experiments import ablation, cifar, corrupted_labels
from experiments.commands import command_line
from experiments.commands.given import given_options
from experiments.commands.naming import method
from experiments.commands.running import Job, default_folder
from experiments.plan import __main__ as plan
from experiments.speech import __main__ as speech
from mixup_jax.config import Data, Mixing, Model, Optimizer
from mixup_jax.models import MODELS
from mixup_jax.training.options import check_options

JOBS = {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()}


def configured(*arguments):
    return command_line.parse("cifar", "", JOBS, "small-mixup", list(arguments))[1]


@pytest.mark.parametrize("preset", ["small-erm", "preact18-mixup", "wrn28-10-mixup"])
@pytest.mark.parametrize("model", [name for name in MODELS if name != "wafer_net"])
def test_a_network_from_any_preset_is_its_own_unless_it_is_the_presets(preset, model):
    before, job = cifar.PRESETS[preset][1], configured(preset, "--model", model)
    assert job.config.model == (before.model if model == before.model.model else Model(model))
    assert configured(preset, "--model", model, "--width", "32").config.model.width == 32
    assert configured(preset, "--model", model, "--smoke").effective().model.model == model


CHOICES = [
    ("method", "cutmix"),
    ("method", "switch"),
    ("schedule", "cosine"),
    ("schedule", "step"),
    ("schedule", "constant"),
    ("optimizer", "adam"),
    ("dataset", "digits"),
    ("epochs", "10"),
    ("partner", "same_class"),
]


@pytest.mark.parametrize("preset", ["small-mixup", "preact18-erm", "preact18-mixup", "densenet190-mixup"])
@pytest.mark.parametrize(("option", "value"), CHOICES)
def test_what_a_preset_leaves_of_another_choice_is_no_error(preset, option, value):
    if option == "partner" and preset.endswith("erm"):
        return  # given, and does nothing
    for smoke in ([], ["--smoke"]):
        job = configured(preset, f"--{option}", value, *smoke)
        check_options(job.config)
        check_options(job.effective())


IDLE = {
    "the preset's own value": ["preact18-mixup", "--schedule", "cosine", "--decay-epochs", "100", "150"],
    "decay after the end": ["preact18-mixup", "--epochs", "10", "--decay-epochs", "100"],
    "decay under cosine": ["--decay-epochs", "10"],
    "factor under cosine": ["--decay-factor", "0.1"],
    "neighbours": ["--neighbours", "200"],
    "remat": ["--remat"],
    "variant": ["--model", "mlp", "--variant", "H"],
    "blocks": ["--model", "mlp", "--blocks", "9"],
    "image size": ["--image-size", "224"],
    "alpha": ["--alphas", "0.1", "0.2", "--alpha", "1"],
    "alpha of cutmix": ["--method", "cutmix", "--alpha", "1"],
    "cutmix alpha": ["--cutmix-alpha", "1"],
    "momentum": ["--optimizer", "adam", "--momentum", "0.9"],
    "nesterov": ["--optimizer", "adam", "--no-nesterov"],
    "labels": ["small-erm", "--labels", "mix"],
    "partner": ["small-erm", "--partner", "roll"],
    "per": ["small-erm", "--per=example"],
    "nyquist": ["--nyquist"],
    "mix": ["--mix", "waveform"],
    "dropout": ["--model", "vgg11", "--dropout", "0.5"],
    "warmup start": ["--warmup-start", "0.1"],
    "norm": ["--model", "mlp", "--no-decay-norm"],
}


@pytest.mark.parametrize("name", IDLE)
def test_what_is_given_and_does_nothing_is_refused_also_at_its_usual_value(name):
    with pytest.raises(ValueError, match=r"does nothing .*leave it out") as error:
        configured(*IDLE[name])
    assert "\n" not in str(error.value)
    assert any(option in str(error.value) for option in given_options(IDLE[name]))


@pytest.mark.parametrize(
    ("module", "arguments", "fine"),
    [
        (ablation, ["--neighbours", "8"], True),
        (ablation, ["--only", "erm", "mixup", "--neighbours", "8"], False),
        (corrupted_labels, ["--neighbours", "8"], False),
        (corrupted_labels, ["--per", "example"], True),
        (speech, ["--alpha", "1.0"], False),
        (speech, ["--per", "example"], True),
    ],
)
def test_an_option_of_a_table_must_do_something_in_one_of_its_rows(module, arguments, fine):
    with contextlib.nullcontext() if fine else pytest.raises(ValueError, match="does nothing here"):
        command_line.parse("x", "", module.PRESETS, "small", arguments, lambda job: module.configs(job).values())


@pytest.mark.parametrize("option", sorted(plan.WITHOUT - {"alphas"}))
def test_a_plan_takes_no_option_that_changes_nothing_in_a_step(option):
    with pytest.raises(ValueError, match=f"{option} does nothing here"):
        plan.main(["cifar", f"--{option.replace('_', '-')}", "1"])


def literals():
    """Each allowed value of each field that lists its values."""
    for part in (Data, Mixing, Model, Optimizer):
        for name, hint in get_type_hints(part).items():
            yield from ((part, name, value) for value in get_args(hint) if get_origin(hint) is Literal)


@pytest.mark.parametrize(("part", "name", "value"), list(literals()))
def test_every_allowed_value_has_a_name_and_a_folder(part, name, value):
    field = {Data: "data", Mixing: "mixing", Model: "model", Optimizer: "optimizer"}[part]
    for preset in ("small-mixup", "small-erm"):
        config = cifar.PRESETS[preset][1]
        config = replace(config, **{field: replace(getattr(config, field), **{name: value})})
        assert method(config)
        assert Job(config).effective()
        assert default_folder("cifar", preset, Job(config)).parts[0] == "runs"


def test_each_partner_and_method_has_a_name_of_its_own():
    names = {
        method(replace(cifar.SMALL, mixing=Mixing(method=kind, partner=partner)))
        for kind in get_args(get_type_hints(Mixing)["method"])
        for partner in ("permutation", "same_class", "different_class", "neighbours", "same_class_neighbours")
    }
    assert len(names) == 15
