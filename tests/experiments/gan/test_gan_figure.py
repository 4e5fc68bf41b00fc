"""Laws of figure 5's experiment: every network over time, and the same numbers again."""

import json

import numpy as np
import pytest

from experiments.gan import __main__ as gan
from experiments.gan.plot import snapshots
from experiments.gan.train import GanConfig
from mixup_jax.report.tables import find_tables


@pytest.mark.slow
def test_the_smoke_run_follows_each_network_and_gives_the_same_numbers_again(tmp_path):
    table = gan.run(GanConfig(smoke=True), tmp_path)
    ((_, found),), _ = find_tables([tmp_path])
    assert found == table
    assert [row.label for row in table.rows] == ["ERM", "mixup, alpha = 0.2"]
    content = json.loads((tmp_path / "gan.json").read_text())
    assert content["iterations"] == [10, 20]
    assert content["iterations_per_second"]["ring"] > 0
    assert (content["settings"]["objective"], content["settings"]["width"], content["settings"]["seeds"]) == (
        "paper",
        8,
        2,
    )
    for row in table.rows:
        numbers = content["quality"]["ring"][row.label]
        assert row.values == tuple(tuple(numbers[key][-1]) for key in ("modes", "high_quality", "inside"))
    gan.run(GanConfig(smoke=True), tmp_path / "again")
    again = json.loads((tmp_path / "again" / "gan.json").read_text())
    assert again["quality"] == content["quality"]
    gan.run(GanConfig(smoke=True), tmp_path)  # a finished training is not repeated: its time is that of the first
    finished = json.loads((tmp_path / "gan.json").read_text())
    assert finished == content
    pictures = [(folder / "figures" / "points.png").read_bytes() for folder in (tmp_path, tmp_path / "again")]
    assert pictures[0] == pictures[1]


def test_the_picture_says_who_left_it():
    real, points = np.zeros((3, 2)), np.array([[[0.0, 0.0], [9.0, 0.0]]])
    figure = snapshots({"ring\nERM": (real, points)}, [1000], 1.5)
    assert "ring, ERM: 50 % inside" in figure.get_label()
    assert figure.axes[0].get_title("center") == "iteration 1,000"
