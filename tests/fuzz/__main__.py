"""Damage files for a while: ``python -m tests.fuzz [--seconds 60] [--seed 0] [--only NAME ...] [--keep FOLDER]``.

Every target has its own process and an equal share of the time. What breaks the law is saved, as small as it can be
made, and named at the end; the exit status is then 1.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from .run import fuzz
from .targets import TARGETS


def main() -> int:
    """Run every target that is asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all, beside what starting the processes takes")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same cases")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS), metavar="NAME")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder of what breaks the law")
    parser.add_argument("--here", action="store_true", help="in this process, one target after the other")
    options = parser.parse_args()
    share = options.seconds / len(options.only)
    if options.here:
        return sum([fuzz(TARGETS[name], share, options.seed, options.keep) for name in options.only]) and 1
    print(f"seed {options.seed}, {len(options.only)} targets, {share:.1f} seconds each", flush=True)
    began, broken = time.monotonic(), []
    for name in options.only:
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--only", name, "--seconds", str(share)]
        done = subprocess.run([*command, "--seed", str(options.seed), "--keep", str(options.keep)], check=False)
        current = options.keep / f"{name}.current"
        if current.exists():  # the process died of it
            print(f"{name}: the process ended with status {done.returncode}; see {current}")
        broken += [name] if done.returncode else []
    print(f"{time.monotonic() - began:.0f} s; {', '.join(broken) or 'no target'} broke the law")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
