"""Kill a run at random instants, start it again with the same command, and compare with a run that was left alone.

    python tests/support/kills.py --kills 20       # about five minutes on two cores

The instants are spread evenly from the start of the process to its end and come in random order. SIGKILL leaves a
process no time to save anything, so parameters and metrics must be equal bit for bit for another reason: a run is a
function of its configuration, and its checkpoints are whole or absent. Exit status 1 if anything differs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

TINY = {
    "dataset": "digits",
    "train-examples": 512,
    "width": 8,
    "blocks": 1,
    "batch-size": 64,
    "epochs": 100,
    "seeds": 2,
}
OPTIONS = [f"--{name}={value}" for name, value in TINY.items()]
COMMAND = [sys.executable, "-m", "experiments.cifar", "small-mixup", *OPTIONS, "--eval-every=2"]
CLOCK = ("seconds", "images_per_second", "step_seconds", "waiting")


def main(
    kills: Annotated[int, tyro.conf.arg(metavar="N")] = 20,
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0,
    workdir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
) -> None:
    """Kill a small training run again and again, and check that nothing is lost.

    Args:
        kills: How many times to kill it.
        seed: Of the instants.
        workdir: Where the runs are kept; a temporary folder that is removed if left out.
    """
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(0 if survives(kills, seed, workdir or Path(temporary)) else 1)


def survives(kills: int, seed: int, workdir: Path) -> bool:
    """Kill `kills` times, finish, print a table, and return whether every run equals the reference."""
    console, table = Console(), Table("run", "killed after", "at step", "then", title="SIGKILL at random instants")
    expected, _ = complete(workdir / "reference", workdir)
    measured, duration = complete(workdir / "timed", workdir)  # with a filled compilation cache, as the runs to come
    equal = [measured == expected]
    table.add_row("reference", "", "", verdict(equal[-1]))

    generator = np.random.default_rng(seed)
    instants = generator.permutation((np.arange(kills) + generator.random(kills)) / kills * duration).tolist()
    last = str(expected["metrics"][-1]["step"])
    runs = 0
    while instants or not runs:
        runs, folder = runs + 1, workdir / f"run{runs + 1}"
        while instants and killed(folder, workdir, instants[-1]):
            table.add_row(f"run {runs}", f"{instants.pop():.2f} s", last_step(folder), "started again")
            console.print(f"{kills - len(instants)} of {kills} kills", highlight=False)
            if last_step(folder) == last:  # nothing but the result is left to do: the next kill is for another run
                break
        else:
            if instants:  # it had ended before: a kill for the next run, earlier
                instants[-1] /= 2
        equal.append(complete(folder, workdir)[0] == expected)
        table.add_row(f"run {runs}", "", last_step(folder), f"ended; {verdict(equal[-1])}")
    console.print(table)
    console.print(f"{kills} kills, {runs} runs of {duration:.1f} s: {verdict(all(equal))}", highlight=False)
    return all(equal)


def start(folder: Path, workdir: Path) -> subprocess.Popen:
    """Start the run of a folder; its compilation cache is of this test's own, so that kills hit it half-written too."""
    environment = os.environ | {"XDG_CACHE_HOME": str(workdir / "cache"), "MIXUP_JAX_TRACEBACK": "1"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [*COMMAND, f"--workdir={folder}"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def complete(folder: Path, workdir: Path) -> tuple[dict, float]:
    """Let the run of a folder end; return its outcome and the seconds that it took."""
    started = time.perf_counter()
    process = start(folder, workdir)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{folder}: exit status {process.returncode}\n{errors}")
    return outcome(folder), time.perf_counter() - started


def killed(folder: Path, workdir: Path, after: float) -> bool:
    """Kill the run of a folder after some seconds; return False if it had ended by then."""
    process = start(folder, workdir)
    try:
        _, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    if process.returncode:
        raise SystemExit(f"{folder}: exit status {process.returncode}\n{errors}")
    return False


def outcome(folder: Path) -> dict:
    """Return all that a run came to, without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = [{name: value for name, value in line.items() if name not in CLOCK} for line in lines]
    return {"params_digest": json.loads((folder / "result.json").read_text())["params_digest"], "metrics": metrics}


def last_step(folder: Path) -> str:
    """Return the step of the last whole line of metrics.jsonl."""
    path = folder / "metrics.jsonl"
    lines = [line for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    return str(json.loads(lines[-1])["step"]) if lines else "none"


def verdict(equal: bool) -> str:
    """Say whether parameters and metrics are those of the reference."""
    return "[green]equal[/green]" if equal else "[bold red]DIFFERENT[/bold red]"


if __name__ == "__main__":
    tyro.cli(main, prog="python tests/support/kills.py")
