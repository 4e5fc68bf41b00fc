"""What was given on the command line, apart from what the preset had: the first must do something, the second fits."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from operator import attrgetter
from typing import Any

from mixup_jax.config import Mixing, Model
from mixup_jax.training.options import idle, mixes, refusal


def given_options(arguments: Sequence[str]) -> set[str]:
    """Return the names of the options on a command line.

    >>> sorted(given_options(["--decay-epochs", "5", "--no-flip", "--lr=0.1", "--alpha", "-1"]))
    ['alpha', 'decay_epochs', 'flip', 'lr']
    """
    names = {each.partition("=")[0][2:].replace("-", "_") for each in arguments if each.startswith("--")}
    return {name.removeprefix("no_") for name in names}


def adopt(config: Any, preset: Any, given: set[str]) -> Any:
    """Return the configuration without what the preset says of a network or method that was replaced.

    Another network has its own size, unless one was given; another method than an ERM preset's mixes.
    """
    if config.model.model != preset.model.model:
        kept = {
            name: value for name, value in asdict(config.model).items() if name in given | {"model", "compute_dtype"}
        }
        config = replace(config, model=Model(**kept))
    mixing = getattr(config, "mixing", None)
    if mixing is not None and mixing.method != preset.mixing.method and not mixes(preset):
        config = replace(config, mixing=mixing if "alpha" in given else replace(mixing, alpha=Mixing.alpha))
    return config


def refuse_idle(base: Any, configs: Iterable[Any], given: set[str]) -> None:
    """Raise ValueError for a given option that does nothing in any of the configurations made of a base."""
    reasons: dict[str, list[str | None]] = {}
    for config in configs:
        nothing = idle(config)
        for name in names_of(base):
            if name.rpartition(".")[2] in given:
                taken = None if attrgetter(name)(config) == attrgetter(name)(base) else "is set by what is compared"
                reasons.setdefault(name, []).append(nothing.get(name) or taken)
    for name, found in reasons.items():
        if all(found):
            raise ValueError(refusal(name, attrgetter(name)(base), str(found[0])))


def names_of(config: Any) -> list[str]:
    """Return the names of all fields of a configuration, those of its parts as ``part.name``.

    >>> from mixup_jax.config import Config
    >>> names_of(Config())[:2], names_of(Config())[-1]
    (['data.dataset', 'data.train_examples'], 'seeds')
    """
    names = []
    for each in fields(config):
        part = getattr(config, each.name)
        names += [f"{each.name}.{field.name}" for field in fields(part)] if is_dataclass(part) else [each.name]
    return names
