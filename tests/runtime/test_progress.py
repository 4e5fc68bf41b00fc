"""Laws of what is printed: a terminal that is lost ends no training, and a narrow one shows what is left to do."""

import errno
import io
import os
import pty
import re
from unittest.mock import Mock

import pytest
from rich.console import Console
from rich.progress import Progress

from mixup_jax.runtime import progress
from mixup_jax.runtime.progress import Bar, leave_lost_terminals


def bar(error):
    console = Mock(spec=Console)
    console.print.side_effect = error
    return Bar(Progress(disable=True), "run", 10, 0, "images", console)


def test_a_line_that_finds_no_terminal_is_not_printed_and_other_errors_are_told():
    gone = bar(OSError(errno.EIO, "Input/output error"))
    gone.started(1.0)
    gone.evaluated("epoch 1")
    with pytest.raises(OSError, match="No space left"):
        bar(OSError(errno.ENOSPC, "No space left on device")).evaluated("epoch 1")


def test_what_is_printed_after_the_terminal_has_gone_goes_nowhere():
    terminal, ours = pty.openpty()
    with os.fdopen(ours, "w") as stream:
        leave_lost_terminals(stream)
        assert os.isatty(stream.fileno())
        os.close(terminal)
        with pytest.raises(OSError, match="Input/output error"):
            os.write(ours, b"x")
        leave_lost_terminals(stream)
        stream.write("a line")
        stream.flush()


def test_files_and_pipes_stay_what_they_are(tmp_path):
    with (tmp_path / "log").open("w") as log:
        leave_lost_terminals(log)
        log.write("a line")
    assert (tmp_path / "log").read_text() == "a line"


@pytest.mark.parametrize("show", [True, False])
def test_a_terminal_of_80_columns_shows_the_evaluation_and_what_is_left(monkeypatch, show):
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, no_color=True)
    monkeypatch.setattr(progress, "console", lambda **_: screen)
    text = "epoch 15.13: train loss 1.153, test error 61.11 %, validation error 60.00 %"
    with progress.progress_bar("cifar small-mixup", 10, 0, "images", show=show) as shown:
        shown.started(1.0)
        shown.evaluated(text)
        shown.update(4, 1234.0)
    printed = screen.file.getvalue()
    assert (text in printed) == ("first step after 1.0 s" in printed) == show
    whole = re.search(r"cifar small-mixup\S* .*40% 1,234 images/s \S+ left: \S+:\S+", printed)
    assert bool(whole) == show
