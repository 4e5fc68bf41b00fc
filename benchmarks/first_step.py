"""From the command to the first step: with an empty compilation cache, and with one that the same command has filled.

python -m benchmarks.first_step
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.harness.page import Table, alone
from benchmarks.harness.turns import QUICK, Effort, digits, spread

COMMANDS = {
    "small preset, on digits": ("experiments.cifar", "small-mixup", "--dataset=digits"),
    "PreAct ResNet-18, width 16, on digits": ("experiments.cifar", "preact18-mixup", "--dataset=digits", "--width=16"),
}
QUICK_COMMANDS = {"smoke run": ("experiments.cifar", "small-mixup", "--smoke", "--seeds=1")}
SHORT = ("--epochs=1", "--seeds=1", "--train-examples=128")
TIMES = 3


def measure(effort: Effort) -> list[Table]:
    """Run each command in processes of its own."""
    rows, sentences, environment, times = [], [], without_cache(), 1 if effort == QUICK else TIMES
    imports = spread([seconds_of(["-c", "import experiments.cifar"], environment) for _ in range(times)])
    for title, command in (QUICK_COMMANDS if effort == QUICK else COMMANDS).items():
        options = () if effort == QUICK else SHORT
        empty, filled = [], []
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                environment["XDG_CACHE_HOME"] = folder
                empty.append(first_step([*command, *options], environment))
                filled.append(first_step([*command, *options], environment))
        rows.append((title, spread(empty), spread(filled)))
        sentences.append(f"{title}: {digits(median(empty))} s the first time, {digits(median(filled))} s after that.")
    text = (
        f"{' '.join(sentences)} Seconds from the start of the process to the end of the first step, as "
        "`first_step_seconds` in result.json tells of a run. The cache is on in every experiment "
        "(JAX_COMPILATION_CACHE_DIR, or the user's cache folder). "
        "Python and its imports are the limit: without them there is no step. "
        f"{times} times each, empty and filled in turns."
    )
    rows.append(("the limit: Python and its imports alone", imports, imports))
    return [Table("From the command to the first step", ("", "cache empty, s", "cache filled, s"), rows, text)]


def without_cache() -> dict[str, str]:
    """Return the environment without a compilation cache of the user's."""
    return {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}


def first_step(command: list[str], environment: dict[str, str]) -> float:
    """Run a command in a new folder; return the seconds to its first step."""
    with tempfile.TemporaryDirectory() as folder:
        seconds_of(["-m", *command, f"--workdir={folder}/run"], environment)
        return json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))["first_step_seconds"]


def seconds_of(arguments: list[str], environment: dict[str, str]) -> float:
    """Run Python, and return how long that took; raises RuntimeError with what it complained of."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return time.perf_counter() - start


if __name__ == "__main__":
    alone(measure)
