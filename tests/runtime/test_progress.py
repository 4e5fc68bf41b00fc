"""Laws of what is printed: a terminal that is lost ends no training."""

import errno
import os
import pty
from unittest.mock import Mock

import pytest
from rich.console import Console
from rich.progress import Progress

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
