"""The quick start, small: four runs, a table and a page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.quickstart import PRESETS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_smoke_run_leaves_four_runs_and_a_page_that_needs_no_network(tmp_path):
    command = [sys.executable, "-m", "experiments.quickstart", "--smoke", "--seeds", "2", "--workdir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in ("ERM", "40 % of the labels corrupted", "report.html"))
    for name in PRESETS:
        result = json.loads((tmp_path / name / "result.json").read_text())
        assert len(result["test_error"]["last"]) == 2
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/") > 5
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
