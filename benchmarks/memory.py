"""Memory of training: what the compiled program asks for, and what the process comes to hold, ours and PyTorch's.

python -m benchmarks.memory
"""

import json
import os
import resource
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import listed
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, digits, import_torch, printed, spread
from benchmarks.training_step import CASES, LAYOUTS, QUICK_CASES, in_torch
from mixup_jax.config import Config

MIB, TIMES, CACHED = 2**20, 2, "ours, program from the cache"
THEIRS = "PyTorch's images are channels last; its process has imported JAX as well, so compare how much they grow."
COMPILED, HELD = ("arguments", "temporary"), ("before", "built", "peak")


def cases(effort: Effort) -> dict[str, Config]:
    """Return the networks to look at."""
    return QUICK_CASES if effort == QUICK else CASES


def measure(effort: Effort) -> list[Table]:
    """Start a process for each network and each contestant; the first of those with a cache fills it, uncounted."""
    rows, sentences, times = [], [], 1 if effort == QUICK else TIMES
    for name in cases(effort):
        with tempfile.TemporaryDirectory() as cache:
            filled = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
            contestants = {"ours": ("ours", {}), CACHED: ("ours", filled)}
            contestants |= {"PyTorch": ("theirs", {})} if import_torch() else {}
            of_process(f"ours({name!r}, {effort})", filled)
            found: dict[str, list[dict[str, float]]] = {title: [] for title in contestants}
            for _ in range(times):
                for title, (function, settings) in contestants.items():
                    found[title].append(of_process(f"{function}({name!r}, {effort})", settings))
        more = {title: [each["peak"] - each["before"] for each in runs] for title, runs in found.items()}
        for title, runs in found.items():
            compiled = [digits(runs[0][key]) if key in runs[0] else "" for key in COMPILED]
            held = [spread([each[key] for each in runs]) for key in HELD]
            rows.append((name, title, *compiled, *held, spread(more[title])))
        if "PyTorch" in more and all(more["PyTorch"]):
            first, later = (
                digits(median([mine / other for mine, other in zip(more[each], more["PyTorch"], strict=True)]))
                for each in ("ours", CACHED)
            )
            sentences.append(f"{first} and {later} times what PyTorch does ({name})")
    text = (
        (f"Training makes our process grow, without and with a cache, by {listed(sentences)}. " if sentences else "")
        + "MiB. Arguments: state and images that the program is given; no process can grow by less, they are the limit "
        "of the last column. Temporary: what it holds beside them while it runs (`memory_analysis` of the compiled "
        "program). Resident: the most that a process of its own came to hold, libraries imported, before anything was "
        "built, when all was built and compiled, and after two steps. Why ours is more: what the compiler takes, which "
        "is given back before the first step and is the most that a small network ever takes; a program from the cache "
        "of an earlier run takes part of it. "
        f"{times} times each, in turns. " + (THEIRS if import_torch() else NO_TORCH)
    )
    columns = ("", "", "arguments", "temporary", "resident before", "built", "after two steps", "more")
    return [Table("Peak memory of training", columns, rows, text)]


def of_process(call: str, settings: Mapping[str, str]) -> dict[str, float]:
    """Call a function of this module in a process with these environment variables; return what it printed."""
    code = f"from benchmarks.harness.turns import Effort; from benchmarks import memory; memory.{call}"
    return printed(code, os.environ | settings)


def ours(name: str, effort: Effort) -> None:
    """Print what our training takes."""
    import jax

    from benchmarks.harness.our_training import training

    config = cases(effort)[name]
    jax.block_until_ready(jax.numpy.zeros(1))
    before = resident()
    run = training(config, devices=1)
    built = resident()
    run(2)
    analysis: Any = run.program.memory_analysis()
    arguments, temporary = analysis.argument_size_in_bytes / MIB, analysis.temp_size_in_bytes / MIB
    held = {"before": before, "built": built, "peak": resident()}
    print(json.dumps({"arguments": arguments, "temporary": temporary, **held}))


def theirs(name: str, effort: Effort) -> None:
    """Print what PyTorch takes, channels last."""
    config, (layout, *_) = cases(effort)[name], LAYOUTS
    import_torch()
    for module in ("torch._dynamo", "benchmarks.peers.torch_training"):  # the first is imported by the first optimiser
        import_module(module)
    before = resident()
    run = in_torch(config, [layout])[layout]
    built = resident()
    run(2)
    print(json.dumps({"before": before, "built": built, "peak": resident()}))


def resident() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` counts what the parent held when it started this process
        return int(status.read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) * 1024 / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB  # of macOS: bytes


if __name__ == "__main__":
    alone(measure)
