"""Carry out the runs of a table, one after the other, each in a folder of its own."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from experiments.command_line import parse
from experiments.errors import one_line_errors
from experiments.paper_table import write_table
from experiments.running import Job, run
from mixup_jax.config import Config
from mixup_jax.report.sweeps import take_apart
from mixup_jax.report.tables import Table
from mixup_jax.training.distributed import join
from mixup_jax.training.mesh import is_writer

Result = dict[str, Any]
J = TypeVar("J", bound=Job)


def run_table(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, J]],
    *,
    default: str,
    runs: Callable[[J], Mapping[str, Config]],
    table: Callable[[J, Mapping[str, Result]], Table],
) -> None:
    """Run the command line of an experiment of many runs: ``[PRESET] [options]``.

    `runs` names the configurations, the names being folders; `table` makes the paper's table of what came out. A run
    over several alphas gives a result for each, named ``NAME alpha ALPHA``.
    """
    with one_line_errors():
        preset, job = parse(experiment, description, presets, default, sys.argv[1:])
        join(job.launch.coordinator, job.launch.processes, job.launch.process_id)
        data = job.config.data.dataset.replace("/", "_").replace(":", "_")
        folder = Path("runs") / experiment / f"{preset}-{data}{'-smoke' if job.smoke else ''}"
        folder = job.launch.workdir or folder
        results: dict[str, Result] = {}
        for name, config in runs(job).items():
            launch = replace(job.launch, workdir=folder / name)
            result = run(experiment, name, Job(config, launch, job.smoke))
            results |= each_alpha(name, config, result)
        if is_writer():
            write_table(folder, table(job, results))
            print(f"\n{folder}: table.json, a folder for each run; python -m experiments.report {folder}")


def each_alpha(name: str, config: Config, result: Result) -> dict[str, Result]:
    """Take the result of a run over several alphas apart.

    >>> config = Config(mixing=replace(Config().mixing, alphas=(1.0, 8.0)))
    >>> list(each_alpha("mixup", config, {"test_ece": [3.0, 4.0], "methods": ["1", "8"]}))
    ['mixup alpha 1', 'mixup alpha 8']
    """
    alphas = config.mixing.alphas
    if not alphas:
        return {name: result}
    start = {"config": {"mixing": {"alphas": list(alphas)}}, "methods": result["methods"]}
    parts = take_apart(start, [], result)
    return {f"{name} alpha {alpha:g}": final for alpha, (_, _, final) in zip(alphas, parts, strict=True)}
