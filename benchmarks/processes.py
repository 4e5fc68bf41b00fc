"""Figures from a process of its own: where its memory, or the number of devices, is what is measured."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def printed(code: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run Python code; return the JSON of its last line. Raises RuntimeError with what it complained of.

    >>> printed("print([1, 2])")
    [1, 2]
    """
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{code}: exit status {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
