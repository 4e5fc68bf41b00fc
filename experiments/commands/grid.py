"""Run several configurations one after the other, each in its own folder, and make the table of the paper."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from experiments.commands.command_line import J, begin
from experiments.commands.errors import one_line_errors
from experiments.commands.paper_table import write_table
from experiments.commands.running import Job, default_folder, run
from mixup_jax.config import Config
from mixup_jax.report.runs import split_by_alpha
from mixup_jax.report.tables import Table
from mixup_jax.runtime.devices.mesh import is_writer
from mixup_jax.runtime.errors import NotFinite

Result = dict[str, Any]
Results = Mapping[Config, Result]
"""The result of each configuration; a run over several alphas gives one result per alpha."""


def run_grid(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, J]],
    *,
    default: str,
    configs: Callable[[J], Mapping[str, Config]],
    table: Callable[[J, Results], Table],
) -> None:
    """Run the command line of an experiment of many runs: ``[PRESET] [options]``.

    `configs` maps folder names to configurations; `table` makes the table of the paper from the results. A run whose
    loss is not finite is left out; its error is raised when the other runs are done.
    """
    with one_line_errors():
        preset, job = begin(experiment, description, presets, default, lambda job: configs(job).values())
        if job.smoke:
            job = replace(job, config=replace(job.config, seeds=1))
        folder = job.launch.workdir or default_folder(experiment, preset, job)
        results: dict[Config, Result] = {}
        failures: list[NotFinite] = []
        for name, config in configs(job).items():
            launch = replace(job.launch, workdir=folder / name)
            try:
                results |= each_alpha(config, run(experiment, name, Job(config, launch, job.smoke)))
            except NotFinite as error:
                failures.append(NotFinite(f"{folder / name}: {error}"))
        if results:
            write_table(folder, table(job, results), results.values())
        if failures:
            raise failures[0]
        if is_writer():
            print(f"\n{folder}: table.json, a folder for each run; python -m experiments.report {folder}")


def each_alpha(config: Config, result: Result) -> dict[Config, Result]:
    """Split the result of a run over several alphas.

    >>> from mixup_jax.choices import Mixup
    >>> config = Config(mixing=Mixup((1.0, 8.0)))
    >>> parts = each_alpha(config, {"test_ece": [3.0, 4.0], "methods": ["mixup 1", "mixup 8"]})
    >>> [(part.mixing.alpha, result["test_ece"]) for part, result in parts.items()]
    [(1.0, [3.0]), (8.0, [4.0])]
    """
    if not config.side_by_side:
        return {config: result}
    mixing = {"alpha": list(config.mixing.alphas)}
    start = {"config": {"mixing": mixing, "seeds": config.seeds}, "methods": result["methods"]}
    parts = split_by_alpha(start, [], result)
    return {each: final for each, (_, _, final) in zip(config.each_alpha(), parts, strict=True)}


def leave_to_the_table(config: Config, preset: Config, names: Iterable[str], hint: str) -> None:
    """Raise ValueError for an option of the command line that the table itself sets and the preset does not have.

    >>> leave_to_the_table(Config(batch_size=64), Config(), ["mixing.layer"], "choose rows with --only")
    """
    for name in names:
        given, usual = attrgetter(name)(config), attrgetter(name)(preset)
        if given != usual:
            option = name.removesuffix(".name").split(".")[-1]
            raise ValueError(f"{option} is what the rows of the table differ in, got {given}: {hint}.")
