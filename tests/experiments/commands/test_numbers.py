"""Laws of numbers on the command line: what no run can be made of is one line at once, for every option there is."""

import inspect
import typing
from dataclasses import fields, is_dataclass, replace

import pytest

from experiments import ablation, adversarial, between_samples, cifar, corrupted_labels, finetune, quickstart, toy
from experiments.commands.command_line import FLAGS, parse
from experiments.commands.running import Job
from experiments.gallery import __main__ as gallery
from experiments.gan import __main__ as gan
from experiments.imagenet import presets as imagenet
from experiments.plan import __main__ as plan
from experiments.speech import __main__ as speech
from experiments.tabular import __main__ as tabular
from experiments.trained_pairs.presets import Pair
from experiments.wafer import presets as wafer_presets
from experiments.wafer import sheet as wafer_sheet
from mixup_jax.choices import Data
from mixup_jax.config import CHOICES, Config
from mixup_jax.runtime.launch import Launch

INTEGERS = (-1, 10**20)
FLOATS = (-1.0, float("nan"), float("inf"), 1e308)
GRIDS = {"ablation": ablation, "corrupted_labels": corrupted_labels, "speech": speech}
OTHERS = {"gan": gan, "tabular": tabular, "wafer": wafer_presets}
PRESETS = {
    "cifar": {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()},
    "imagenet": {name: (text, imagenet.ImageNet(config)) for name, (text, config) in imagenet.PRESETS.items()},
    "plan cifar": {name: (text, plan.Plan(config)) for name, (text, config) in cifar.PRESETS.items()},
    "finetune": finetune.PRESETS,
    **{name: module.PRESETS for name, module in (GRIDS | OTHERS).items()},
}
IMAGENET = ["--dataset", "imagenet", "--train-examples", "None"]
WITH = {  # an option that makes another one do something, of the first preset
    "neighbours": ["--partner", "neighbours"],
    **dict.fromkeys(("image_size", "test_size", "test_crop"), IMAGENET),
    "warmup_start": ["--warmup-epochs", "1"],
}


def numbers(part):
    """Return {name: (example values, how many)} of each number among the fields of a dataclass and its parts."""
    found = {}
    for name, hint in typing.get_type_hints(type(part)).items():
        inner = [hint, *typing.get_args(hint)]
        inner += [each for part in inner for each in typing.get_args(part)]
        if is_dataclass(getattr(part, name)) and not isinstance(getattr(part, name), Launch):
            found |= numbers(getattr(part, name))
        elif typing.get_origin(hint) is typing.Literal or hint is bool:
            continue
        elif float in inner or int in inner:
            count = 2 if name in ("phase_out", "train_subset") else 1
            floats = FLOATS[1:] if name == "head_bias" else FLOATS  # a bias may be negative
            found[name] = floats if float in inner else INTEGERS, count
    return found


def cases():
    """Yield a number of each option of each command, and of each option of each choice, once: the next of its values.

    Every value is tried on what holds it, by itself, which is as good and a thousandth of the time of a command line.
    """
    seen: set[str] = set()
    for experiment, presets in PRESETS.items():
        found = numbers(next(iter(presets.values()))[1])
        left_out = set() if experiment in OTHERS else set([each for each in found if each in seen][4:])
        seen |= found.keys()
        for index, (name, (values, count)) in enumerate(found.items()):
            if name not in left_out:  # the same configuration as of another experiment: four of its fields
                yield experiment, name, values[index % len(values)], count, []
    options: dict = {}
    for part, kinds in CHOICES.items():
        for choice, kind in kinds.items():
            for name, number in numbers(kind()).items():
                options.setdefault((part, name), []).append((choice, *number))
    for index, ((part, name), several) in enumerate(options.items()):
        choice, values, count = several[index % len(several)]
        yield "cifar", name, values[index % len(values)], count, [f"--{FLAGS[part]}", choice]


CASES = list(cases())


@pytest.mark.thorough
@pytest.mark.parametrize(("experiment", "name", "value", "count", "needs"), CASES)
def test_a_number_that_no_run_can_be_made_of_is_refused_at_once(experiment, name, value, count, needs, capsys):
    presets, module = PRESETS[experiment], GRIDS.get(experiment)
    configs = (lambda job: module.configs(job).values()) if module else None
    option, needs = f"--{name.replace('_', '-')}", [*needs, *(WITH.get(name, []) if experiment == "cifar" else [])]
    with pytest.raises((ValueError, SystemExit)) as error:
        parse(experiment, "", presets, next(iter(presets)), [option, *[str(value)] * count, *needs], configs)
    said = capsys.readouterr().err.splitlines() if error.type is SystemExit else str(error.value).splitlines()
    assert len(said) == 1, said
    assert named(name, said[0]), said


def named(name, message):
    return name.rpartition("_")[2].rstrip("s") in message.replace("-", "_")


HOLDERS = [  # a configuration, its parts, and the jobs of other experiments
    Config(),
    Data(),
    *[kind() for kinds in CHOICES.values() for kind in kinds.values()],
    *[next(iter(presets.values()))[1] for presets in PRESETS.values()],
]
LATER = {"block", "split"}
"""What is refused by more than the part that has it, or is no plain number: by a whole configuration."""


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: getattr(holder, "name", type(holder).__name__))
def test_every_bad_value_of_every_number_is_refused_by_what_holds_it(holder):
    for name, (values, count) in numbers(holder).items():
        if name in vars(holder).keys() - LATER:
            old = getattr(holder, name)
            count = len(old) if isinstance(old, tuple) else count if count > 1 else 0
            for value in values:
                with pytest.raises(ValueError, match=r"\A.+\Z") as error:
                    replace(holder, **{name: (value,) * count if count else value})
                assert named(name, str(error.value)), error.value


@pytest.mark.parametrize("kind", [kind for kind in CHOICES["mixing"].values() if hasattr(kind(), "block")])
@pytest.mark.parametrize("value", INTEGERS)
def test_a_block_of_no_batch_is_refused_by_a_configuration(kind, value):
    with pytest.raises(ValueError, match="block"):
        Config(mixing=kind(block=value))


@pytest.mark.parametrize(
    ("main", "name"),
    [
        (toy.main, "alpha"),
        (toy.main, "seeds"),
        (toy.main, "steps"),
        (adversarial.main, "epsilon"),
        (adversarial.main, "images"),
        (adversarial.main, "batch_size"),
        (between_samples.main, "pairs"),
        (gallery.main, "seed"),
        (quickstart.main, "seeds"),
        (wafer_sheet.patterns, "examples"),
        (wafer_sheet.patterns, "size"),
        (wafer_sheet.patterns, "seed"),
    ],
)
def test_a_number_of_an_experiment_without_presets_too(main, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hint = typing.get_type_hints(main)[name]
    pair = [Pair()] if "pair" in inspect.signature(main).parameters else []
    for value in FLOATS if hint is float else INTEGERS:
        with pytest.raises(ValueError, match=name):
            main(*pair, **{name: value})


@pytest.mark.parametrize("value", FLOATS)
def test_epochs_of_a_pair_too(value):
    with pytest.raises(ValueError, match="epochs must be positive"):
        Pair(epochs=value).folder("adversarial")


def test_every_number_of_a_configuration_is_tried():
    tried = {name for experiment, name, *_ in CASES if experiment == "cifar"}
    assert len(fields(Config)) == 21
    assert {
        "alpha",
        "cutmix_alpha",
        "phase_out",
        "lr",
        "decay_epochs",
        "seeds",
        "eval_every",
        "blocks",
        "width",
    } <= tried
