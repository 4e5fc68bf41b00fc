"""Laws of what is given: it does something or is refused, and what a preset leaves of another choice is no error."""

import contextlib
from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from experiments import ablation, cifar, corrupted_labels
from experiments.commands import command_line
from experiments.commands.command_line import given_options
from experiments.commands.naming import dataset, method
from experiments.commands.running import Job, default_folder
from experiments.imagenet import presets as imagenet
from experiments.plan import __main__ as plan
from experiments.speech import __main__ as speech
from mixup_jax.choices import (
    OF_PHOTOGRAPHS,
    Adam,
    AdamW,
    CutMix,
    Data,
    Dirichlet,
    Erm,
    FMix,
    GridMix,
    Lamb,
    Mixed,
    Mixup,
    RegMixup,
    ResizeMix,
    Sgd,
    Switch,
)
from mixup_jax.choices.networks import SIZES, ViT
from mixup_jax.config import CHOICES

JOBS = {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()}


def configured(*arguments):
    return command_line.parse("cifar", "", JOBS, "small-mixup", list(arguments))[1]


@pytest.mark.thorough
@pytest.mark.parametrize("preset", ["small-erm", "wrn28-10-mixup"])
@pytest.mark.parametrize("model", [name for name in CHOICES["model"] if name not in ("wafer_net", *SIZES)])
def test_a_network_from_any_preset_is_its_own_unless_it_is_the_presets(preset, model):
    before, job = cifar.PRESETS[preset][1], configured(preset, "--model", model)
    assert job.config.model == (before.model if model == before.model.name else CHOICES["model"][model]())
    assert configured(preset, "--model", model, "--width", "32").config.model.width == 32
    assert configured(preset, "--model", model, "--smoke").effective().model.name == model


@pytest.mark.thorough
def test_the_name_of_a_size_is_the_network_with_its_options_and_others_may_follow():
    for name, make in SIZES.items():
        assert configured("--model", name).config.model == make()
    assert configured("--model", "vit_base_patch16_224", "--depth", "3").config.model == ViT(width=768, depth=3)
    assert configured("--model=vit", "--width", "192", "--depth", "6", "--patch", "4").config.model == ViT(
        192, 6, patch=4
    )


def test_the_name_of_a_size_counts_where_the_preset_has_the_same_network_of_another():
    jobs = {"tiny": ("", Job(replace(cifar.SMALL, model=ViT(width=64, dropout=0.1))))}
    small = command_line.parse("cifar", "", jobs, "tiny", ["--model", "vit_small_patch16_224"])[1].config.model
    assert small == SIZES["vit_small_patch16_224"]()
    assert command_line.parse("cifar", "", jobs, "tiny", ["--model", "vit"])[1].config.model.width == 64


def test_what_a_preset_says_of_stochastic_depth_goes_with_it():
    model = ViT(stochastic_depth=0.1, stochastic_depth_rule="uniform", stochastic_depth_rescale=False)
    jobs = {"tiny": ("", Job(replace(cifar.SMALL, model=model)))}
    off = command_line.parse("cifar", "", jobs, "tiny", ["--stochastic-depth", "0"])[1].config.model
    assert off == ViT()


def of_imagenet(preset, *arguments):
    jobs = {name: (text, Job(config)) for name, (text, config) in imagenet.PRESETS.items()}
    return command_line.parse("imagenet", "", jobs, "resnet50-mixup", [preset, *arguments])[1].config


def test_another_network_keeps_the_stochastic_depth_of_a_preset():
    assert of_imagenet("deit3-s16", "--model", "deit3_base_patch16_224").model.stochastic_depth_rule == "uniform"
    for preset, model in (("resnet50-a2", "resnet18"), ("deit-s16", "mixer_s16_224")):
        depth = imagenet.PRESETS[preset][1].model.stochastic_depth
        assert of_imagenet(preset, "--model", model).model.stochastic_depth == depth > 0
    assert of_imagenet("deit-s16", "--model", "mlp").model == CHOICES["model"]["mlp"]()


def test_rates_are_not_carried_between_coupled_and_decoupled_decay():
    adamw = of_imagenet("resnet50-mixup", "--optimizer", "adamw")
    assert (adamw.optimizer, adamw.schedule.warmup_start) == (AdamW(), 0.0)
    given = of_imagenet("resnet50-mixup", "--optimizer", "adamw", "--lr", "0.3", "--warmup-start", "0.2")
    assert (given.optimizer.lr, given.schedule.warmup_start) == (0.3, 0.2)
    assert of_imagenet("deit-s16", "--optimizer", "sgd").optimizer.lr == CHOICES["optimizer"]["sgd"]().lr
    assert of_imagenet("resnet50-mixup", "--optimizer", "adam").optimizer.lr == 0.4
    assert of_imagenet("convnext-tiny", "--optimizer", "lamb").optimizer.lr == 4e-3


def test_what_changes_the_tested_pixels_or_the_loss_is_in_the_names():
    a2 = imagenet.PRESETS["resnet50-a2"][1]
    assert "bicubic" in dataset(a2.data)
    assert dataset(a2.data) != dataset(replace(a2.data, interpolation="linear"))
    assert method(a2) != method(replace(a2, loss=replace(a2.loss, sum_classes=True)))


@pytest.mark.parametrize(
    ("given", "near"),
    [
        (["--model", "vit_smal_patch16_224"], "vit_small_patch16_224"),
        (["--model=resnet51"], "resnet50"),
        (["--optimizer", "adm"], "adam"),
        (["--model", "???"], "choose from preact_resnet"),
    ],
)
def test_a_choice_that_is_unknown_is_one_line_with_the_nearest_names(given, near):
    with pytest.raises(ValueError, match="is unknown; ") as error:
        configured(*given)
    assert near in str(error.value)
    assert "\n" not in str(error.value)


SWITCHES = [
    *[("method", name) for name in CHOICES["mixing"] if name not in ("erm", "mixup")],
    ("schedule", "cosine"),
    ("schedule", "step"),
    ("schedule", "constant"),
    ("schedule", "linear"),
    ("optimizer", "adam"),
    ("optimizer", "adamw"),
    ("optimizer", "lamb"),
    ("loss", "bce"),
    ("dataset", "digits"),
    ("epochs", "10"),
    ("partner", "same_class"),
]


@pytest.mark.thorough
@pytest.mark.parametrize("preset", ["preact18-erm", "densenet190-mixup"])  # of ERM and of mixup
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
    "decay": ["--decay", "all"],
    "decay of norms": ["--optimizer", "adamw", "--no-decay-norm"],
    "end rate of steps": ["--schedule", "step", "--end-lr", "1e-5"],
    "threshold of a softmax": ["--target-threshold", "0.2"],
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
    "test_size": ["--test-size", "224"],
    "test_crop": ["--test-crop", "0.95"],
    "crop": ["--crop", "tensorflow"],
    "interpolation": ["--interpolation", "bicubic"],
    "nyquist": ["--nyquist"],
    "mix waveform": ["--mix", "waveform"],
    "neighbours": ["--neighbours", "200"],
    "warmup_start": ["--warmup-start", "0.1"],
    "decay_norm": ["--weight-decay", "0", "--no-decay-norm"],
    "decay": ["--optimizer", "adamw", "--weight-decay", "0", "--decay", "all"],
    "warmup_prefix": ["--no-warmup-prefix"],
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


@pytest.mark.parametrize("option", [["--image-size", "32"], ["--split", "0.8", "0.2"], ["--skip-bad"]])
def test_a_folder_that_is_named_without_its_prefix_is_told_the_prefix(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for path in ("mine", "photos/mine", str(tmp_path), "cifar10"):
        with pytest.raises(SystemExit):
            configured("--dataset", path, *option)
        said = "".join(capsys.readouterr().err.split())  # a long path is wrapped
        assert (f"folder:{path}" in said) == (path != "cifar10")


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


def test_an_optimiser_keeps_its_own_defaults_where_the_preset_says_nothing():
    assert configured("--optimizer", "lamb").config.optimizer == Lamb()
    assert configured("--optimizer", "lamb", "--clip", "None").config.optimizer == Lamb(clip=None)
    assert configured("--optimizer", "adamw", "--lr", "0.002").config.optimizer == AdamW(lr=0.002)


def test_a_weight_decay_is_not_carried_over_to_an_optimiser_that_applies_it_in_another_way():
    jobs = {name: (text, Job(config)) for name, (text, config) in imagenet.PRESETS.items()}

    def optimizer(*arguments):
        return command_line.parse("imagenet", "", jobs, "vit-s16-90", list(arguments))[1].config.optimizer

    assert optimizer("vit-s16-90", "--optimizer", "sgd").weight_decay == Sgd().weight_decay
    assert optimizer("vit-s16-90", "--optimizer", "lamb").weight_decay == 0.1
    assert optimizer("resnet50-a1", "--optimizer", "adam").weight_decay == Adam().weight_decay
    assert optimizer("resnet50-mixup", "--optimizer", "adamw", "--weight-decay", "0.3").weight_decay == 0.3


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
        for kind in [Data] if part == "data" else [each for name, each in CHOICES[part].items() if name not in SIZES]:
            for name, hint in get_type_hints(type(kind())).items():
                if get_origin(hint) is Literal and name != "name":
                    yield from ((part, kind, name, value) for value in get_args(hint))


@pytest.mark.parametrize(("part", "kind", "name", "value"), list(literals()))
def test_every_allowed_value_has_a_name_and_a_folder(part, kind, name, value):
    data = "imagenet" if name in OF_PHOTOGRAPHS else "chirps"
    needed = {"stochastic_depth_rule": {"stochastic_depth": 0.1}, "per": {"block": 32}}.get(name, {})
    chosen = kind(data, **{name: value}) if kind is Data else kind(**{name: value} | needed)
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
    names = {method(replace(cifar.SMALL, mixing=Switch(switch_probability=share))) for share in (0.5, 0.9)}
    assert len(names) == 2
    mixings = [GridMix(), GridMix(cells=8), GridMix(period=8), GridMix(0.5), FMix(fmix_decay=2.0), FMix()]
    mixings += [RegMixup(eta=0.5), RegMixup(), Dirichlet(), Dirichlet(examples=4), ResizeMix(resize=(0.5, 0.5))]
    assert len({method(replace(cifar.SMALL, mixing=mixing)) for mixing in mixings}) == len(mixings)
