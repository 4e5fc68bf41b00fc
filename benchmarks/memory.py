"""Memory of training: what the compiled program asks for, and what the process comes to hold, ours and PyTorch's."""

import json
import resource
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import jax

from benchmarks.harness.our_training import Training
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, digits, import_torch, python, spread
from benchmarks.training_step import cases, in_torch

MIB, TIMES = 2**20, 2


def measure(effort: Effort) -> list[Table]:
    """Start a process for each network and each contestant; the first of those with a cache fills it, uncounted."""
    rows, times, has_torch = [], 1 if effort == QUICK else TIMES, import_torch() and find_spec("timm")
    for name in cases(effort):
        with tempfile.TemporaryDirectory() as cache:
            filled = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
            contestants = {"ours": ("ours", {}), "ours, program from the cache": ("ours", filled)}
            contestants |= {"PyTorch": ("theirs", {})} if has_torch else {}
            of_process("ours", name, effort, filled)
            found: dict[str, list[dict[str, float]]] = {title: [] for title in contestants}
            for _ in range(times):
                for title, (function, settings) in contestants.items():
                    found[title].append(of_process(function, name, effort, settings))
        for title, runs in found.items():
            compiled = [digits(runs[0][key]) if key in runs[0] else "" for key in ("arguments", "temporary")]
            held = [spread([each[key] for each in runs]) for key in ("before", "peak")]
            rows.append((name, title, *compiled, *held, spread([each["peak"] - each["before"] for each in runs])))
    text = (
        "MiB. Arguments: state and images that the program is given; no process can grow by less, they are the limit "
        "of the last column. Temporary: what it holds beside them while it runs (`memory_analysis` of the compiled "
        "program). Resident: the most that a process of its own came to hold, libraries imported, before anything was "
        "built, and after two steps. Why ours is more: what the compiler takes, which is given back before the first "
        "step and is the most that a small network ever takes; a program from the cache of an earlier run takes part "
        f"of it. {times} times each, in turns. "
        + (
            "PyTorch's process has imported JAX as well, so compare how much they grow."
            if has_torch
            else "PyTorch and timm are not installed."
        )
    )
    columns = ("", "", "arguments", "temporary", "resident before", "after two steps", "more")
    return [Table("Peak memory of training", columns, rows, text)]


def of_process(function: str, name: str, effort: Effort, settings: dict[str, str]) -> dict[str, float]:
    """Call a function of this module in a process with these environment variables; return what it printed."""
    code = "from benchmarks.harness.turns import Effort; from benchmarks import memory; "
    return json.loads(python("-c", f"{code}memory.{function}({name!r}, {effort})", **settings).splitlines()[-1])


def ours(name: str, effort: Effort) -> None:
    """Print what our training takes."""
    jax.block_until_ready(jax.numpy.zeros(1))
    before = resident()
    run = Training(cases(effort)[name], devices=1)
    run(2)
    analysis = run.program.memory_analysis()
    arguments, temporary = analysis.argument_size_in_bytes / MIB, analysis.temp_size_in_bytes / MIB
    print(json.dumps({"arguments": arguments, "temporary": temporary, "before": before, "peak": resident()}))


def theirs(name: str, effort: Effort) -> None:
    """Print what PyTorch takes."""
    import_torch()
    for library in ("torch._dynamo", "timm.models.vision_transformer", "benchmarks.peers.torch_training"):
        import_module(library)  # the first would be imported by the first optimiser, the second by a network
    before = resident()
    in_torch(cases(effort)[name])(2)
    print(json.dumps({"before": before, "peak": resident()}))


def resident() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` counts what the parent held when it started this process
        return int(status.read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) * 1024 / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB  # of macOS: bytes
