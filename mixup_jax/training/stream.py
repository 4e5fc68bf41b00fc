"""Batches of a data set that stays on disk: decoded by each process for its own devices, and put there ahead of time.

To the loop a stream is what `Examples` and `Batches` are for data in memory: it yields what the programs take.
"""

import re
import shutil
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from mixup_jax.data.photographs.streamed import EvaluationRows, StreamedDataset, TrainingRows, batches, cores
from mixup_jax.runtime.devices.mesh import shard
from mixup_jax.training.programs import Batches, StreamedBatch

AHEAD = 2
"""Batches that lie ready on the devices."""

KILLED = re.compile(r"terminated unexpectedly with exit code -(\d+)")
"""What Grain says of a worker that a signal has ended."""


class BatchStream:
    """The training batches of several networks: step k's is a function of a network's seed and k, wherever the stream
    is entered. Each process decodes what its devices hold; networks of one seed see the same images, decoded once.
    """

    def __init__(self, data: StreamedDataset, seeds: Sequence[int], batch_size: int, mesh: Mesh, workers: int):
        self._sharding, self._seeds, self._workers = shard(mesh, "seed", "data"), tuple(seeds), workers
        self._rows = TrainingRows(data, batch_size, rows_of_process(self._sharding, self._seeds, batch_size))
        self._decoded: Any = None
        self._ready: deque[StreamedBatch] = deque()
        self._next = -1

    def calls(self, step: int, count: int) -> Iterator[tuple[StreamedBatch, int]]:
        """Yield the batch of each step from `step` on, and 1: the number of steps that it is for."""
        if step != self._next:
            self.close()
            self._decoded = batches(self._rows, step, workers=self._workers, threads=cores())
            self._next = step
        for _ in range(count):
            while len(self._ready) <= AHEAD:
                self._ready.append(self._place(self._decode()))
            self._next += 1
            yield self._ready.popleft(), 1

    def _decode(self) -> dict[str, np.ndarray]:
        try:
            return next(self._decoded)
        except RuntimeError as error:
            if found := KILLED.search(str(error)):
                raise ChildProcessError(killed_worker(int(found[1]), self._workers)) from error
            raise

    def _place(self, batch: dict[str, np.ndarray]) -> StreamedBatch:
        rows, size = self._rows.rows, self._rows.batch_size
        arrays = (batch[name] for name in StreamedBatch._fields)
        return StreamedBatch(*(place_rows(array, rows, self._seeds, size, self._sharding) for array in arrays))

    def close(self) -> None:
        """End the threads or processes that decode."""
        if self._decoded is not None:
            self._decoded.close()
        self._decoded, self._next = None, -1
        self._ready.clear()


def killed_worker(number: int, workers: int) -> str:
    """Say which signal has ended one of the `workers`, and what helps; a page of /dev/shm that is not there is SIGBUS.

    >>> killed_worker(9, 64)
    'one of the 64 workers was ended by SIGKILL, perhaps for want of memory: take fewer --workers'
    """
    name = signal.Signals(number).name
    if number != signal.SIGBUS:
        return f"one of the {workers} workers was ended by {name}, perhaps for want of memory: take fewer --workers"
    size = shutil.disk_usage("/dev/shm").total >> 20
    return (
        f"one of the {workers} workers was ended by {name}: /dev/shm, through which they hand over batches, is full "
        f"({size} MiB); make it larger (docs/launching/jobset.yaml, docker run --shm-size), or take fewer --workers"
    )


class EvaluationStream:
    """The batches that hold each of some examples of a split once, padded and masked."""

    def __init__(
        self, data: StreamedDataset, split: str, numbers: Sequence[int] | np.ndarray, batch_size: int, mesh: Mesh
    ):
        self._sharding = shard(mesh, None, "data")
        self._held = rows_of_process(self._sharding, (0,), batch_size)
        self._rows = EvaluationRows(data, split, numbers, batch_size, tuple(row for _, row in self._held))

    def parts(self) -> Iterator[Batches]:
        """Yield one batch after the other, in the layout of many: (1, batch, ...)."""
        decoded = batches(self._rows, 0, workers=0, threads=cores())
        try:
            ready: deque[Batches] = deque()
            for batch in decoded:
                ready.append(self._place(batch))
                if len(ready) > AHEAD:
                    yield ready.popleft()
            yield from ready
        finally:
            decoded.close()  # pyright: ignore[reportAttributeAccessIssue]  # Grain's iterators have it

    def _place(self, batch: dict[str, np.ndarray]) -> Batches:
        arrays, size = (batch[name] for name in Batches._fields), self._rows.batch_size
        return Batches(*(place_rows(array, self._held, (0,), size, self._sharding) for array in arrays))


def rows_of_process(sharding: NamedSharding, seeds: tuple[int, ...], batch_size: int) -> tuple[tuple[int, int], ...]:
    """Return which (seed, row) of the batches of all networks the devices of this process hold, in ascending order."""
    parts = sharding.addressable_devices_indices_map((len(seeds), batch_size)).values()
    held = ((seeds[networks], range(batch_size)[rows]) for networks, rows in parts)  # pyright: ignore
    return tuple(sorted({(seed, row) for some, rows in held for seed in some for row in rows}))


def place_rows(
    array: np.ndarray,
    rows: tuple[tuple[int, int], ...],
    seeds: tuple[int, ...],
    batch_size: int,
    sharding: NamedSharding,
) -> jax.Array:
    """Put the `rows` of this process on its devices, as its part of an array (networks, batch, ...) of all processes.

    A network has the rows of its seed.
    """
    place = {row: index for index, row in enumerate(rows)}

    def part(index: Any) -> np.ndarray:
        here = range(batch_size)[index[1]]
        starts = [place[seed, here[0]] for seed in seeds[index[0]]]
        parts = [array[start : start + len(here)] for start in starts]
        return np.stack(parts) if len(parts) > 1 else parts[0][None]  # of one, no copy

    return jax.make_array_from_callback((len(seeds), batch_size, *array.shape[1:]), sharding, part)
