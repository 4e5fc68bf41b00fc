"""Where a result comes from: configuration, versions, commit, device and command."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax

from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.runtime.identity import jax_settings, plain

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
OF_PHOTOGRAPHS = ("opencv-python-headless", "opencv-python", "pillow", "simplejpeg")
"""What decodes, resizes and augments on the host: the pixels depend on it, where it is there."""


def describe(config: Config, experiment: str, preset: str, data: DataIdentity) -> dict[str, Any]:
    """Return the content of config.json: configuration, data, settings of JAX, and where and with what it runs."""
    return {
        "experiment": experiment,
        "preset": preset,
        "config": plain(config),
        "data": plain(data),
        "jax": jax_settings(),
        **origin(),
    }


def origin() -> dict[str, Any]:
    """Return where and with what this process runs: versions, commit, code, device, command and time of start."""
    device = jax.devices()[0]
    return {
        "versions": versions(),
        "commit": commit(),
        "code": code(),
        "device": {"platform": device.platform, "kind": _kind(device), "count": jax.device_count()},
        "command": shlex.join(["python", *_module_arguments()]),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    found = {"python": sys.version.split()[0]} | {name: importlib.metadata.version(name) for name in PACKAGES}
    for name in OF_PHOTOGRAPHS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _kind(device: Any) -> str:
    """Return the name of the device; JAX calls every CPU "cpu". Of its cores those count that this process may use."""
    if device.platform != "cpu":
        return device.device_kind
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    # Large sums follow them.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cores} cores"


def _module_arguments() -> list[str]:
    """Return the command line as it was typed: ``python -m package.module`` shows up in argv as a path."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = spec.name.removesuffix(".__main__") if spec else None
    return ["-m", name, *sys.argv[1:]] if name else list(sys.argv)


def commit() -> str | None:
    """Return the commit of this code, with "-dirty" where files differ from it; None outside of a checkout of it."""
    root = Path(__file__).parents[2]
    git = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    try:  # .git is there in a checkout of this project, not where it is installed below somebody else's
        if (root / ".git").exists():
            return subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return None


def code() -> str:
    """Return the SHA-256 of this code's modules: two working trees of one commit may differ."""
    root, sha = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted((*root.glob("mixup_jax/**/*.py"), *root.glob("experiments/**/*.py"))):
        sha.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return sha.hexdigest()
