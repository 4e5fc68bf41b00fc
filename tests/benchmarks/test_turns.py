"""Laws of taking turns, and of the page."""

import inspect
import sys
import time
from functools import partial
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import mixing
from benchmarks.__main__ import SECTIONS, main
from benchmarks.harness.page import Table, markdown
from benchmarks.harness.turns import Effort, Timing, add_installed, take_turns


def test_peers_that_are_not_installed_are_left_out_and_named(monkeypatch):
    for name in ("torch", "timm", "torchvision", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    batch = np.zeros((2, 4, 4, 3), np.float32), np.arange(2)
    runs = {}
    said = add_installed(runs, {name: partial(make, batch) for name, make in mixing.PEERS.items()})
    assert runs == {}
    assert all(f"{name} (" in said for name in mixing.PEERS)


def test_every_contestant_has_its_turn_in_every_round_and_the_first_round_does_not_count():
    happened = []
    runs = {name: lambda count, name=name: happened.append((name, count)) for name in "ab"}
    timings = take_turns(runs, Effort(rounds=2, seconds=0.0))
    assert happened == [("a", 1), ("a", 1), ("b", 1), ("b", 1)] * 3  # one to warm up, one by the clock
    assert {name: len(timing.seconds) for name, timing in timings.items()} == {"a": 2, "b": 2}


def test_a_turn_lasts_about_as_long_as_asked_for_and_the_time_is_that_of_one_piece_of_work():
    counts = []

    def work(count):
        counts.append(count)
        time.sleep(0.002 * count)

    timing = take_turns({"work": work}, Effort(rounds=1, seconds=0.1))["work"]
    assert 10 <= counts[-1] <= 50
    assert 0.002 <= timing.seconds[0] < 0.01


def test_ratios_are_of_turns_that_followed_each_other():
    slow_day = Timing([2.0, 20.0], []), Timing([1.0, 10.0], [])
    assert slow_day[0].over(slow_day[1]) == "2.00 (2.00-2.00)"


def test_every_row_of_a_page_has_the_columns_of_its_table():
    text = markdown(Table("Title", ("", "ms", "ratio"), [("ours", "1", ""), ("theirs", "2", "2.00")], "Why."))
    bars = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert bars == [4, 4, 4, 4]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_can_be_measured(name):
    measure = import_module(f"benchmarks.{name}").measure  # without PyTorch, which each imports when it needs it
    assert list(inspect.signature(measure).parameters) == ["effort"]


def test_a_section_that_is_not_there_is_refused_by_name():
    with pytest.raises(SystemExit, match=r"--only mixin: must be among limits, mixing"):
        main(only=("mixin",))


def test_turns_of_a_quick_run_cannot_be_chosen():
    with pytest.raises(SystemExit, match="--rounds does not go with --quick"):
        main(quick=True, rounds=5)


def test_a_section_that_fails_is_named_and_the_others_are_on_the_page(tmp_path, monkeypatch):
    def section(name):
        def measure(effort):
            if name.endswith("memory"):
                raise RuntimeError("no memory today")
            return [Table(name, ("", "ms"), [("ours", "1")])]

        return SimpleNamespace(measure=measure)

    monkeypatch.setattr("benchmarks.__main__.import_module", section)
    page = tmp_path / "benchmarks.md"
    with pytest.raises(SystemExit, match="failed, see above: memory"):
        main(only=("limits", "memory", "growth"), out=page)
    text = page.read_text()
    assert "**Not whole: without memory.**" in text
    assert "## benchmarks.limits" in text
    assert "## benchmarks.growth" in text
