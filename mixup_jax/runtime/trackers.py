"""TensorBoard event files, when asked for; metrics.jsonl is the record."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


class Board:
    """Writes the mean over seeds of each metric; without a writer it does nothing."""

    def __init__(self, writer: Any = None):
        self._writer = writer

    def write(self, line: dict[str, Any]) -> None:
        """Write a line of metrics.jsonl."""
        for name, value in line.items() if self._writer else ():
            if name != "step":
                self._writer.add_scalar(name, float(np.mean(value)), line["step"])


@contextmanager
def open_board(workdir: Path, wanted: bool) -> Iterator[Board]:
    """Open the event file in the workdir; raises ValueError when tensorboardX is not installed."""
    if not wanted:
        yield Board()
        return
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ValueError("--tensorboard needs tensorboardX: pip install tensorboardX") from None
    with SummaryWriter(str(workdir / "tensorboard")) as writer:
        yield Board(writer)
