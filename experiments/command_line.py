"""From a dictionary of presets to a command: presets, options, and one-line errors."""

import contextlib
import difflib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import tyro
from rich.console import Console

from experiments.running import Job, Paper, run
from mixup_jax.config import Config
from mixup_jax.training.checkpoint import CheckpointError
from mixup_jax.training.distributed import join
from mixup_jax.training.loop import NotFinite
from mixup_jax.training.mesh import is_writer
from mixup_jax.training.stopping import Stopped


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
        preset, job = parse(experiment, description, presets, default, sys.argv[1:])
        join(job.launch.coordinator, job.launch.processes, job.launch.process_id)
        result = run(experiment, preset, job, paper=paper)
        if is_writer():
            show_runs([Path(result["workdir"])], title=f"{experiment} {preset}")


def parse(
    experiment: str,
    description: str,
    presets: Mapping[str, tuple[str, Config]],
    default: str,
    arguments: list[str],
) -> tuple[str, Job]:
    """Read the arguments: the preset's name, and the job that its options make of it."""
    if not arguments or arguments[0].startswith("-"):
        arguments = [default, *arguments]
    if arguments[0] not in presets:
        close = difflib.get_close_matches(arguments[0], presets, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"preset {arguments[0]!r} is not one of {', '.join(presets)}{hint}")
    listed = "\n".join(f"  {name:<16} {text}" for name, (text, _) in presets.items())
    text = f"{description}\nPRESET, {default} if left out:\n\n{listed}\n\nDefaults below are {arguments[0]}'s."
    program = f"python -m experiments.{experiment} [PRESET]"
    preset = Job(presets[arguments[0]][1])
    job = command(tyro.cli, Job, default=preset, prog=program, description=text, args=arguments[1:])
    return arguments[0], job


def command(cli: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a tyro command line; what it refuses becomes one line."""
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return cli(*args, **options)
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        message = " ".join(re.sub(r"[│╭╮╰╯─]+", " ", stderr.getvalue()).split())
        message = re.sub(
            r"^(Value error|Parsing error|Unrecognized options|Required options|Invalid choice)", "", message
        )
        message = re.sub(r" (Argument helptext|For full helptext).*", "", message)
        fail(message + "; --help lists the options", code=2)


def show_runs(folders: list[Path], *, title: str) -> None:
    """Print the table of finished runs and where they are."""
    from mixup_jax.report.conditions import group  # matplotlib and scipy take a second to import
    from mixup_jax.report.rows import settings
    from mixup_jax.report.runs import load_runs
    from mixup_jax.report.terminal import results_table

    runs, _ = load_runs(folders)
    console = Console()
    console.print(results_table(settings(group(runs)), title=title))
    for folder in folders:
        console.print(f"\n{folder}: config.json, metrics.jsonl, result.json, checkpoints/, figures/", soft_wrap=True)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors that the person at the keyboard can mend into one line on stderr.

    Exit status: 2 for bad input, 1 for a run that failed, 128 + signal for one that was asked to stop.
    MIXUP_JAX_TRACEBACK=1 shows the traceback instead.
    """
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if os.environ.get("MIXUP_JAX_TRACEBACK"):
        yield
        return
    try:
        yield
    except Stopped as stop:
        fail(str(stop), code=stop.exit_code, label="stopped")
    except (NotFinite, CheckpointError) as error:
        fail(str(error), code=1)
    except (ValueError, TypeError, OSError) as error:
        fail(str(error), code=2)


def fail(message: str, *, code: int, label: str = "error") -> NoReturn:
    """Print one line and leave."""
    print(f"{label}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
