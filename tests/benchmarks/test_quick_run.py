"""The whole page of benchmarks, small: no benchmark rots."""

import subprocess
import sys
from pathlib import Path

import pytest

TITLES = (
    "What the machine can do",
    "Mixing a batch",
    "Training step: mixup against ERM",
    "Training step: a Vision Transformer of width 16",
    "Time to accuracy",
    "Growth of a step",
    "Input pipeline",
    "Your own photographs",
    "Predictions for photographs",
    "RandAugment on the host",
    "Augmentation in the training step",
    "Checkpoints",
    "Peak memory of training",
    "From the command to the first step",
)


@pytest.mark.exhaustive  # minutes of both cores
def test_all_benchmarks_run_and_fill_the_page(tmp_path):
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", f"--out={page}"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text()
    assert "A quick run" in text
    assert all(f"## {title}" in text for title in TITLES)
    assert all(title in done.stdout for title in TITLES)
