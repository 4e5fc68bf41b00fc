"""From the command to the first step: with an empty compilation cache, and one that the same command has filled."""

import json
import tempfile
import time
from pathlib import Path

from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, python, spread

COMMANDS = {
    "small preset, on digits": ("experiments.cifar", "small-mixup", "--dataset=digits"),
    "PreAct ResNet-18, width 16, on digits": ("experiments.cifar", "preact18-mixup", "--dataset=digits", "--width=16"),
}
SHORT = ("--epochs=1", "--seeds=1", "--train-examples=128")
QUICK_COMMANDS = {"smoke run": ("experiments.cifar", "small-mixup", "--smoke")}
TIMES = 3


def measure(effort: Effort) -> list[Table]:
    """Run each command in processes of its own."""
    rows, times = [], 1 if effort == QUICK else TIMES
    for title, command in (QUICK_COMMANDS if effort == QUICK else COMMANDS).items():
        options = command if effort == QUICK else (*command, *SHORT)
        empty, filled = [], []
        for _ in range(times):
            with tempfile.TemporaryDirectory() as cache:
                empty.append(first_step(options, cache))
                filled.append(first_step(options, cache))
        rows.append((title, spread(empty), spread(filled)))
    imports = spread([import_seconds() for _ in range(times)])
    rows.append(("the limit: Python and its imports alone", imports, imports))
    text = (
        "Seconds from the start of the process to the end of the first step, as `first_step_seconds` in result.json "
        "tells of a run. The cache is on in every experiment (JAX_COMPILATION_CACHE_DIR, or the user's cache folder). "
        f"Python and its imports are the limit: without them there is no step. {times} times each, empty and filled in "
        "turns."
    )
    return [Table("From the command to the first step", ("", "cache empty, s", "cache filled, s"), rows, text)]


def first_step(command: tuple[str, ...], cache: str) -> float:
    """Run a command in a new folder; return the seconds to its first step."""
    with tempfile.TemporaryDirectory() as folder:
        python("-m", *command, f"--workdir={folder}/run", JAX_COMPILATION_CACHE_DIR=cache)
        return json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))["first_step_seconds"]


def import_seconds() -> float:
    """Return how long a process takes that imports an experiment and ends."""
    start = time.perf_counter()
    python("-c", "import experiments.cifar")
    return time.perf_counter() - start
