"""Laws of what is given: it does something or is refused, and what a preset leaves of another choice is no error."""

import contextlib
from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from experiments import ablation, cifar, corrupted_labels
from experiments.commands import command_line
from experiments.commands.command_line import given_options
from experiments.commands.naming import method
from experiments.commands.running import Job, default_folder
from experiments.imagenet import presets as imagenet
from experiments.plan import __main__ as plan
from experiments.speech import __main__ as speech
from mixup_jax.choices import CutMix, Data, Dirichlet, Erm, FMix, GridMix, Mixed, Mixup, RegMixup, ResizeMix, Switch
from mixup_jax.config import CHOICES

JOBS = {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()}


def configured(*arguments):
    return command_line.parse("cifar", "", JOBS, "small-mixup", list(arguments))[1]


@pytest.mark.parametrize("preset", ["small-erm", "preact18-mixup", "wrn28-10-mixup"])
@pytest.mark.parametrize("model", [name for name in CHOICES["model"] if name != "wafer_net"])
def test_a_network_from_any_preset_is_its_own_unless_it_is_the_presets(preset, model):
    before, job = cifar.PRESETS[preset][1], configured(preset, "--model", model)
    assert job.config.model == (before.model if model == before.model.name else CHOICES["model"][model]())
    assert configured(preset, "--model", model, "--width", "32").config.model.width == 32
    assert configured(preset, "--model", model, "--smoke").effective().model.name == model


SWITCHES = [
    *[("method", name) for name in CHOICES["mixing"] if name not in ("erm", "mixup")],
    ("schedule", "cosine"),
    ("schedule", "step"),
    ("schedule", "constant"),
    ("optimizer", "adam"),
    ("dataset", "digits"),
    ("epochs", "10"),
    ("partner", "same_class"),
]


@pytest.mark.parametrize("preset", ["small-mixup", "preact18-erm", "preact18-mixup", "densenet190-mixup"])
@pytest.mark.parametrize(("option", "value"), SWITCHES)
def test_what_a_preset_leaves_of_another_choice_is_no_error(preset, option, value):
    if option == "partner" and preset.endswith("erm"):
        return  # given, and does nothing
    for smoke in ([], ["--smoke"]):
        config = configured(preset, f"--{option}", value, *smoke).effective().within_training()
        found = getattr(config, {"method": "mixing"}.get(option, option), None)
        assert option not in ("method", "optimizer") or found.name == value


IDLE = {
    "the preset's own value": ["preact18-mixup", "--schedule", "cosine", "--decay-epochs", "100", "150"],
    "decay after the end": ["preact18-mixup", "--epochs", "10", "--decay-epochs", "100"],
    "decay under cosine": ["--decay-epochs", "10"],
    "factor under cosine": ["--decay-factor", "0.1"],
    "remat": ["--remat"],
    "variant": ["--model", "mlp", "--variant", "H"],
    "blocks": ["--model", "mlp", "--blocks", "9"],
    "alpha": ["--alphas", "0.1", "0.2", "--alpha", "1"],
    "alpha of cutmix": ["--method", "cutmix", "--alpha", "1"],
    "cutmix alpha": ["--cutmix-alpha", "1"],
    "alpha of cutmix under fmix": ["--method", "fmix", "--cutmix-alpha", "1"],
    "layer of fmix": ["--method", "fmix", "--layer", "head"],
    "cells": ["--method", "fmix", "--cells", "4"],
    "eta": ["--eta", "1"],
    "momentum": ["--optimizer", "adam", "--momentum", "0.9"],
    "nesterov": ["--optimizer", "adam", "--no-nesterov"],
    "labels": ["small-erm", "--labels", "mix"],
    "partner": ["small-erm", "--partner", "roll"],
    "per": ["small-erm", "--per=example"],
    "dropout": ["--model", "vgg11", "--dropout", "0.5"],
    "a second alpha": ["--alphas", "0.2", "--alpha", "1"],
    "layer of ERM": ["--alpha", "0", "--layer", "head"],
}


@pytest.mark.parametrize("name", IDLE)
def test_what_is_given_and_does_nothing_is_refused_also_at_its_usual_value(name):
    with pytest.raises(ValueError, match=r"does nothing .*leave it out") as error:
        configured(*IDLE[name])
    assert "\n" not in str(error.value)
    assert any(option in str(error.value) for option in given_options(IDLE[name]))


OUT_OF_PLACE = {
    "image_size": ["--image-size", "224"],
    "nyquist": ["--nyquist"],
    "mix waveform": ["--mix", "waveform"],
    "neighbours": ["--neighbours", "200"],
    "warmup_start": ["--warmup-start", "0.1"],
    "decay_norm": ["--weight-decay", "0", "--no-decay-norm"],
    "nesterov": ["--momentum", "0", "--nesterov"],
    "group": ["--group", "16"],
    "period": ["--method", "gridmix", "--period", "4", "--cells", "8"],
}


@pytest.mark.parametrize("name", OUT_OF_PLACE)
def test_an_option_that_needs_another_one_is_refused_without_it(name, capsys):
    with pytest.raises((ValueError, SystemExit)) as error:
        configured(*OUT_OF_PLACE[name])
    said = capsys.readouterr().err if error.type is SystemExit else str(error.value)
    assert name in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "mixing"),
    [
        (["small-mixup", "--alpha", "0"], Erm()),
        (["small-mixup", "--method", "mixup", "--alpha=0"], Erm()),
        (["small-erm", "--alpha", "0.4"], Mixup(0.4)),
        (["small-erm", "--alphas", "0", "0.4"], Mixup((0.0, 0.4))),
        (["small-erm", "--method", "mixup"], Mixup()),
        (["small-mixup", "--method", "erm"], Erm()),
        (["small-mixup", "--alpha", "0.3", "--method", "switch"], Switch(0.3)),
        (["small-mixup", "--method", "cutmix", "--cutmix-alpha", "0.3"], CutMix(0.3)),
        (["wrn28-10-mixup", "--method", "regmixup"], RegMixup(alpha=20.0)),
        (["small-mixup", "--alphas", "0", "0.3", "--method", "fmix"], FMix((0.0, 0.3))),
        (["small-mixup", "--method", "gridmix", "--cells", "8", "--alpha", "0.5"], GridMix(0.5, cells=8)),
    ],
)
def test_an_alpha_says_the_method(arguments, mixing):
    assert configured(*arguments).config.mixing == mixing


def test_what_needs_another_option_that_is_switched_off_goes_with_it():
    imagenet_jobs = {name: (text, Job(config)) for name, (text, config) in imagenet.PRESETS.items()}
    off = ["--momentum", "0", "--weight-decay", "0", "--warmup-epochs", "0", "--model", "alexnet"]
    config = command_line.parse("imagenet", "", imagenet_jobs, "resnet50-mixup", off)[1].config
    assert not config.optimizer.nesterov
    assert config.optimizer.decay_norm
    assert config.schedule.warmup_start == 0


@pytest.mark.parametrize(
    ("module", "arguments", "fine"),
    [
        (ablation, ["--neighbours", "8"], True),
        (ablation, ["--only", "erm", "mixup", "--neighbours", "8"], False),
        (corrupted_labels, ["--cutmix-alpha", "0.5"], False),
        (corrupted_labels, ["--per", "example"], True),
        (speech, ["--width", "9"], False),
        (speech, ["--per", "example"], True),
    ],
)
def test_an_option_of_a_table_must_do_something_in_one_of_its_rows(module, arguments, fine):
    with contextlib.nullcontext() if fine else pytest.raises(ValueError, match=r"does nothing here|is what the rows"):
        command_line.parse("x", "", module.PRESETS, "small", arguments, lambda job: module.configs(job).values())


@pytest.mark.parametrize("option", sorted(plan.WITHOUT - {"alphas"}))
def test_a_plan_takes_no_option_that_changes_nothing_in_a_step(option):
    with pytest.raises(ValueError, match=f"{option} does nothing here"):
        plan.main(["cifar", f"--{option.replace('_', '-')}", "1"])


def literals():
    """Each part of a configuration, with each allowed value of each field that lists its values."""
    for part in ("data", *CHOICES):
        for kind in [Data] if part == "data" else CHOICES[part].values():
            for name, hint in get_type_hints(type(kind())).items():
                if get_origin(hint) is Literal and name != "name":
                    yield from ((part, kind, name, value) for value in get_args(hint))


@pytest.mark.parametrize(("part", "kind", "name", "value"), list(literals()))
def test_every_allowed_value_has_a_name_and_a_folder(part, kind, name, value):
    chosen = kind("chirps", **{name: value}) if kind is Data else kind(**{name: value})
    config = replace(cifar.SMALL, **{part: chosen})
    assert method(config)
    assert Job(config).effective()
    assert default_folder("cifar", "small-mixup", Job(config)).parts[0] == "runs"


def test_each_partner_and_method_has_a_name_of_its_own():
    named = {"permutation", "same_class", "different_class", "neighbours", "same_class_neighbours", "optimal"}
    kinds = [kind for kind in CHOICES["mixing"].values() if isinstance(kind(), Mixed)]
    pairs = [(kind, each) for kind in kinds for each in get_args(get_type_hints(kind)["partner"]) if each in named]
    names = {method(replace(cifar.SMALL, mixing=kind(partner=each))) for kind, each in pairs}
    assert len(names) == len(pairs) > len(kinds)


def test_what_a_method_has_of_its_own_is_in_its_name():
    mixings = [GridMix(), GridMix(cells=8), GridMix(period=8), GridMix(0.5), FMix(fmix_decay=2.0), FMix()]
    mixings += [RegMixup(eta=0.5), RegMixup(), Dirichlet(), Dirichlet(examples=4), ResizeMix(resize=(0.5, 0.5))]
    assert len({method(replace(cifar.SMALL, mixing=mixing)) for mixing in mixings}) == len(mixings)
