"""Damage the files of a target for a while, and keep what breaks the law."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from .damage import damage
from .law import Target, fault

TRIES = 60
"""To make a case smaller."""


def cases(target: Target, seed: int, corpus: list[bytes]) -> Iterator[bytes]:
    """Yield the corpus, then damaged copies without end; the same seed gives the same."""
    yield from corpus
    random = Random(f"{target.name} {seed}")
    while True:
        yield damage(random, random.choice(corpus), corpus, target.words)


def fuzz(target: Target, seconds: float, seed: int, keep: Path) -> int:
    """Try cases for some seconds, and at least the corpus; return how many kinds of faults were found."""
    keep.mkdir(parents=True, exist_ok=True)
    current, found, tried = keep / f"{target.name}.current", set(), 0
    corpus = target.corpus()
    ends = time.monotonic() + seconds
    for data in cases(target, seed, corpus):
        if tried >= len(corpus) and time.monotonic() > ends:
            break
        current.write_bytes(data)  # if the process dies
        broken, tried = fault(target, data, good=tried < target.good), tried + 1
        if broken and kind(broken) not in found:
            found.add(kind(broken))
            path = keep / f"{target.name}-{len(found)}"
            path.write_bytes(smaller(target, data, broken))
            print(f"{target.name}: {broken}; see {path}", flush=True)
    current.unlink()
    print(f"{target.name}: {tried} cases, {len(found)} kinds of faults", flush=True)
    return len(found)


def kind(broken: str) -> str:
    """Return what makes two faults the same: the exception and the line that it came through."""
    return broken.partition(":")[0] + broken.rpartition(" at ")[2]


def smaller(target: Target, data: bytes, broken: str) -> bytes:
    """Leave pieces out as long as the fault stays the same kind."""
    left, size = TRIES, len(data) // 2
    while size and left:
        place = 0
        while place < len(data) and left:
            shorter, left = data[:place] + data[place + size :], left - 1
            now = fault(target, shorter)
            if now and kind(now) == kind(broken):
                data = shorter
            else:
                place += size
        size //= 2
    return data
