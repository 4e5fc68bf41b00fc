"""Several processes of one training on this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAIN = [
    "-m",
    "experiments.cifar",
    "small-mixup",
    "--dataset=digits",
    "--train-examples=256",
]
TRAIN += ["--batch-size=32", "--epochs=3", "--eval-every=1", "--seeds=1", "--lr=0.02"]
FROM_WEIGHTS = ["-m", "experiments.vit", "small-mixup", "--dataset=digits", "--train-examples=256", "--batch-size=32"]
FROM_WEIGHTS += ["--model=vit", "--width=8", "--depth=1", "--heads=2", "--patch=2", "--pool=token"]
FROM_WEIGHTS += ["--positions=learned", "--epochs=3", "--warmup-epochs=1", "--eval-every=1"]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(processes, devices, command):
    """Run `command(coordinator, process)` in each process, compiled quickly; return what each printed.

    Gloo, the library by which the processes talk, prints to the same place, piecewise from several threads: what is
    returned may hold whole lines and pieces of lines of its own.
    """
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}",
        "JAX_ENABLE_COMPILATION_CACHE": str(processes == 1),  # as in commands: experiments/commands/running.py
    }
    coordinator = f"127.0.0.1:{free_port()}" if processes > 1 else None
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, command(coordinator, process))],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(processes)
    ]
    try:
        outputs = [process.communicate(timeout=1200) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, outputs, strict=True):
        assert process.returncode == 0, errors
    return [out for out, _ in outputs]
