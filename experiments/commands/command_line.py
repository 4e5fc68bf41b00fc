"""From a dictionary of presets to a command."""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import jax
import psutil
import tyro
from etils import epath
from tyro.conf import AvoidSubcommands, OmitArgPrefixes, arg

from experiments.commands.config_file import Given, read_config_file
from experiments.commands.errors import command, one_line_errors
from experiments.commands.help import help_of, in_paragraphs, without_all
from experiments.commands.running import Job, Paper, run
from mixup_jax.choices import Adam, Data, Erm, Sgd
from mixup_jax.config import CHOICES, DEPENDENT, Config
from mixup_jax.models import has_batch_norm, normalizes
from mixup_jax.runtime.buckets import is_bucket, records_folder
from mixup_jax.runtime.console import console
from mixup_jax.runtime.devices import deterministic
from mixup_jax.runtime.devices.distributed import join
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.errors import did_you_mean
from mixup_jax.weights.initial import network_of

J = TypeVar("J", bound=Job)
P = TypeVar("P")
C = TypeVar("C", bound=Any)


def run_presets(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, Config]],
    *,
    default: str,
    paper: Callable[[Config], Paper] = lambda config: None,
) -> None:
    """Run the command line of an experiment: ``[PRESET] [options]``; without a preset, the `default` one."""
    with one_line_errors():
        jobs = {name: (text, Job(config)) for name, (text, config) in presets.items()}
        preset, job = begin(experiment, description, jobs, default)
        result = run(experiment, preset, job, paper=paper, began=psutil.Process().create_time())
        if is_writer():
            show_runs([result], title=f"{experiment} {preset}")


def begin(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, J]],
    default: str,
    configs: Callable[[J], Iterable[Config]] | None = None,
) -> tuple[str, J]:
    """Read the command line and meet the other processes of the job."""
    preset, job = parse(experiment, description, presets, default, sys.argv[1:], configs)
    launch = job.launch
    if launch.deterministic:
        deterministic.ask(os.environ)
    join(launch.coordinator, launch.processes, launch.process_id, launch.join_timeout)
    if launch.deterministic:
        deterministic.check(jax.default_backend())
    return preset, job


def parse(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, P]],
    default: str,
    arguments: list[str],
    configs: Callable[[P], Iterable[Any]] | None = None,
) -> tuple[str, P]:
    """Read the arguments: the preset's name, and the job, a dataclass, that its options make of it.

    `configs` makes the configurations of a job of several runs. Raises ValueError for options that do nothing.
    """
    hint, named = "", bool(arguments) and not arguments[0].startswith("-")
    if not named:
        late = [each for each in arguments if each in presets]
        hint = f"; the preset comes first: {late[0]} --option ..." if late else ""
        arguments = [default, *arguments]
    if arguments[0] not in presets:
        raise ValueError(
            f"preset {arguments[0]!r} is not one of {', '.join(presets)}{did_you_mean(arguments[0], presets)}"
        )
    listed = "\n".join(f"  {name:<{max(map(len, presets))}}  {text}" for name, (text, _) in presets.items())
    about = f"{in_paragraphs(description)}\n\nPRESET, {default} if left out:\n\n{listed}\n\n"
    about += f"Defaults below are {arguments[0]}'s."
    program = f"python -m experiments.{experiment} [PRESET]"
    preset, arguments = arguments[0], arguments[1:]
    job: Any = presets[preset][1]
    choices: Any = Choices()
    if isinstance(getattr(job, "config", None), Config):
        choices, given = Configured(), given_options(arguments)
        if file := given.get("config"):
            preset, job = taken(read_config_file(Path(file[0])), experiment, presets, preset if named else None, job)
        if given.keys() & {"init", "model", "config"} == {"init"}:
            network = network_of(Path(*given["init"]), job.config.model)
            job = replace(job, config=replace(job.config, model=network))
    if hasattr(job, "config"):
        config: Any = job.config
        arguments = with_method(config, arguments)
        choices = read_choices(config, arguments, hint, type(choices))
        job = replace(job, config=with_choices(config, vars(choices), given_options(arguments)))  # type: ignore
    kind = make_dataclass("Arguments", [("choices", type(choices)), ("job", type(job))])
    default_job = kind(choices, job)
    shown, registry = help_of(experiment, default_job, arguments)
    options = {"prog": program, "description": about + shown, "registry": registry, "hint": hint}
    options |= {"config": (OmitArgPrefixes, AvoidSubcommands), "args": without_all(arguments)}
    job = command(tyro.cli, kind, default=default_job, **options).job
    if hasattr(job, "config"):
        job = replace(job, config=without_padding(job.config, given_options(arguments)))
        refuse_idle(job.config, configs(job) if configs else [job.config], given_options(arguments))
    return preset, job


def taken(
    given: Given, experiment: str, presets: Mapping[str, tuple[str, Any]], preset: str | None, default: Any
) -> tuple[str, Any]:
    """Return the name and the job of a file's configuration; raises ValueError where it is another command's."""
    if given.experiment not in (None, experiment.split()[-1]):
        raise ValueError(f"--config: a configuration of python -m experiments.{given.experiment}: use that command.")
    if preset not in (None, given.preset):
        raise ValueError(f"preset {preset} does nothing here: --config holds that of {given.preset}; leave it out.")
    job = presets[given.preset][1] if given.preset in presets else default
    return given.preset, job.taken(given.config) if isinstance(job, Job) else replace(job, config=given.config)


@dataclass
class Choices:
    """The names of the choices that a configuration has: none, for a job without one."""


@dataclass
class Configured(Choices):
    """And where the configuration is from."""

    config: Annotated[Path | None, arg(metavar="FILE")] = None
    """A run's config.json, or its folder, or YAML with the same fields, in place of a preset; options change it."""


FLAGS = {
    "augment": "augment",
    "model": "model",
    "mixing": "method",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "loss": "loss",
}
"""Parts of a configuration and the options that choose their types."""


def given_options(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the options on a command line by their names, with their values.

    >>> given_options(["--decay-epochs", "5", "7", "--no-flip", "--lr=0.1", "--alpha", "-1"])
    {'decay_epochs': ['5', '7'], 'flip': [], 'lr': ['0.1'], 'alpha': ['-1']}
    """
    given: dict[str, list[str]] = {}
    values: list[str] = []
    for each in arguments:
        if each.startswith("--"):
            name, _, value = each[2:].partition("=")
            values = given[name.replace("-", "_").removeprefix("no_")] = [value] if value else []
        else:
            values.append(each)
    return given


def with_method(config: Any, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the method that an alpha means: 0 is ERM, and any other alpha is not.

    >>> with_method(Config(), ["--alphas", "0", "--lr", "1"]), with_method(Config(mixing=Erm()), ["--alpha", "0.4"])
    (['--lr', '1', '--method', 'erm'], ['--alpha', '0.4', '--method', 'mixup'])
    """
    if not hasattr(config, "mixing"):
        return list(arguments)
    if {"alpha", "alphas"} <= given_options(arguments).keys():
        raise ValueError("alpha does nothing here: it is one of the alphas, and alphas are given; leave it out.")
    arguments = [re.sub("^--alphas(?==|$)", "--alpha", each) for each in arguments]
    given = given_options(arguments)
    method = given.get("method", ["mixup"])
    if _is_zero(given.get("alpha", [])) and method == ["mixup"]:
        start = next(index for index, each in enumerate(arguments) if re.match("--alpha(=|$)", each))
        count = 1 if "=" in arguments[start] else 2
        rest = [each for each in arguments[:start] + arguments[start + count :] if not each.startswith("--method=")]
        return [*rest, "--method", "erm"]
    if "alpha" in given and "method" not in given and isinstance(config.mixing, Erm):
        return [*arguments, "--method", "mixup"]
    return arguments


def _is_zero(values: Sequence[str]) -> bool:
    with suppress(ValueError):
        return len(values) == 1 and float(values[0]) == 0
    return False


def read_choices(config: Any, arguments: Sequence[str], hint: str, base: type[Choices] = Choices) -> Any:
    """Return the names of the choices, those of the configuration where none are given."""
    names = {flag: (part, getattr(config, part).name) for part, flag in FLAGS.items() if hasattr(config, part)}
    for flag, values in given_options(arguments).items():
        known = CHOICES[names[flag][0]] if flag in names else {}
        if len(values) == 1 and values[0] not in known and known:
            near = did_you_mean(values[0], known) or f"; choose from {', '.join(known)}"
            raise ValueError(f"{flag} {values[0]!r} is unknown{near}")
    helps = {
        flag: arg(help=f"The {'augmentation' if flag == 'augment' else flag}, which has options of its own.")
        for flag in names
    }
    kind = make_dataclass(
        "Choices",
        [(flag, Annotated[Literal[*CHOICES[part]], helps[flag]], name) for flag, (part, name) in names.items()],
        bases=(base,),
    )
    known, _ = command(tyro.cli, kind, args=arguments, hint=hint, return_unknown_args=True, add_help=False)
    return known


def with_choices(config: C, names: Mapping[str, str], given: Mapping[str, Sequence[str]]) -> C:
    """Return a preset's configuration with other choices, which keep what the preset says of options they share.

    What the preset leaves at its default has the new choice's default, and so have learning rate and weight decay where
    the new optimiser means other numbers by them. Another network has its own size, but the preset's stochastic depth.
    Raises ValueError for a given option of a type that was not chosen.

    >>> from mixup_jax.choices import Sgd
    >>> with_choices(Config(optimizer=Sgd(lr=0.2)), {"optimizer": "adam"}, {}).optimizer.lr
    0.2
    >>> with_choices(Config(), {"optimizer": "adamw"}, {}).optimizer.weight_decay
    0.05
    """
    for part, flag in FLAGS.items():
        if flag not in names:
            continue
        old, new = getattr(config, part), CHOICES[part][names[flag]]()
        mine = _options(new)
        for name in given:
            others = [each for each, kind in CHOICES[part].items() if each == kind().name and name in _options(kind())]
            if others and name not in mine:
                owners = ", ".join(others) if len(others) < 5 else "other ones"
                raise ValueError(_refusal(name, f"is for --{flag} {owners}, and this is {new.name}"))
        if type(old) is type(new) and (part != "model" or old.name == names[flag]):  # else it is the name of a size
            new = old
        elif part == "model":
            new = replace(new, **{name: value for name, value in _depth(old).items() if name in mine})
        else:
            usual = _options(CHOICES[part][old.name]())
            said = {name: value for name, value in _options(old).items() if value != usual[name]}
            new = replace(new, **{name: value for name, value in said.items() if name in mine})
        reset = [name for name, needed in DEPENDENT.items() if name not in given and _is_zero(given.get(needed, []))]
        reset += [name for name in ("neighbours", "group") if "partner" in given and name not in given]
        reset += ["alpha"] if part == "mixing" and "alpha" not in given and not _share_alpha(old, new) else []
        if part == "optimizer" and _decouples(old, new):
            reset += [name for name in ("lr", "weight_decay") if name not in given]
        reset += ["decay_norm"] if part == "optimizer" and not normalizes(config.model) else []
        new = replace(new, **{name: _options(CHOICES[part][new.name]())[name] for name in reset if name in mine})
        config = replace(config, **{part: new})
    if getattr(config, "norm_block", None) and "norm_block" not in given and not has_batch_norm(config.model):
        config = replace(config, norm_block=None)  # of the preset's network
    schedule = getattr(config, "schedule", None)
    if schedule and "warmup_start" not in given and schedule.warmup_start > config.optimizer.lr:
        config = replace(config, schedule=replace(schedule, warmup_start=0.0))  # of the learning rate before
    return config


def _depth(model: Any) -> dict[str, Any]:
    """Return what a network says of stochastic depth, where it has any."""
    if not getattr(model, "stochastic_depth", 0):
        return {}
    return {name: value for name, value in _options(model).items() if name.startswith("stochastic_depth")}


def _share_alpha(old: Any, new: Any) -> bool:
    """Return whether the alpha of two methods is the same: mixup's, or that of one method."""
    return {old.name, new.name} <= {"mixup", "switch"} or old.name == new.name


def _decouples(old: Any, new: Any) -> bool:
    """Return whether one optimiser adds its decay to the gradient and the other to the direction: other numbers.

    A decay of 0.1, usual for the one, is hundreds of times what is usual for the other; so is a learning rate, in turn.
    """
    return isinstance(old, Sgd | Adam) != isinstance(new, Sgd | Adam)


def _options(part: Any) -> dict[str, Any]:
    return {each.name: getattr(part, each.name) for each in fields(part) if each.name != "name"}


def _refusal(name: str, reason: str) -> str:
    return f"{name} does nothing here: it {reason}; leave it out."


def without_padding(config: C, given: Collection[str]) -> C:
    """Return a configuration whose photographs, which are cropped at random, are not also padded as the preset says.

    >>> from mixup_jax.choices import Data
    >>> without_padding(Config(Data("folder:photos", image_size=64)), []).data.pad_crop
    0
    """
    data = getattr(config, "data", None)
    if not isinstance(data, Data) or not data.is_streamed or "pad_crop" in given:
        return config
    return replace(config, data=replace(data, pad_crop=0))


def refuse_idle(base: Any, configs: Iterable[Any], given: Iterable[str]) -> None:
    """Raise ValueError for a given option that is in none of the configurations made of a base."""
    asked = all_options(base)
    made = [all_options(each.within_training() if isinstance(each, Config) else each) for each in configs]
    for name in given:
        if name in asked and all(each.get(name, "absent") != asked[name] for each in made):
            raise ValueError(_refusal(name, f"is not in what is trained, got {asked[name]}"))


def all_options(config: Any) -> dict[str, Any]:
    """Return the options of a configuration and of its parts, by their names."""
    found = {}
    for name, value in _options(config).items():
        found |= _options(value) if is_dataclass(value) else {name: value}
    return found


def show_runs(results: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """Print the table of finished runs, by what `run` says of them, and where they are."""
    from mixup_jax.report.conditions import group
    from mixup_jax.report.runs import load_runs
    from mixup_jax.report.terminal import results_table

    runs, _ = load_runs([Path(each["workdir"]) for each in results])
    screen = console()
    screen.print(results_table(group(runs), title=title))
    for each in results:
        folder, checkpoints = each["workdir"], each["checkpoints"]
        bucket = is_bucket(checkpoints)
        names = f"result.json, predictions.npz, {'' if bucket else 'checkpoints/, '}figures/"
        screen.print(f"\n{folder}: config.json, metrics.jsonl, {names}", soft_wrap=True)
        if bucket:
            records = records_folder(epath.Path(checkpoints))
            screen.print(f"{checkpoints}: checkpoints; {records}: the same records", soft_wrap=True)
