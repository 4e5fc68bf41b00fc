"""A run that is killed and started again is the run that was left alone."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.exhaustive
def test_a_killed_run_started_again_is_the_run_left_alone():
    command = [sys.executable, "tests/support/kills.py", "--kills", "2"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills" in done.stdout
