"""Let the processes of a run wait for each other, and agree."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def wait_for_all(reason: str) -> None:
    """Wait until every process has come here; a process that is alone goes on at once."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(reason)


def from_writer(answer: bool) -> bool:
    """Return the answer of the process that writes files, to every process."""
    if jax.process_count() == 1:
        return answer
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(answer)))
