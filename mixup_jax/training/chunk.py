"""How many steps one call of a training program takes: no result depends on it. Process 0 says it to all."""

CHUNK_SECONDS = 2.0
"""How long a call should last: the progress bar waits for one, a signal for up to two, and each call pays for fresh
memory, on a CPU up to a quarter of a ResNet's step (docs/log/cpu-convolutions.md)."""

SMALL_CHUNK = 8
"""Steps between two looks at the numbers where each step brings its own batch: those of two looks may lie on the
devices."""


def next_chunk(chunk: int, rate: float) -> int:
    """Return how many steps come after a call of `chunk` steps, of which `rate` were done in a second.

    >>> next_chunk(1, 1000.0), next_chunk(8, 5.0), next_chunk(8, 0.1)
    (2, 10, 1)
    """
    return max(1, min(2 * chunk, int(CHUNK_SECONDS * rate)))
