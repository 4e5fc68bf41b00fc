"""The processes that write ImageNet's files: one owner for a folder, and workers that end with their owner."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mixup_jax import folder_lock
from mixup_jax.data.progress import progress


def sole_owner(folder: Path) -> AbstractContextManager[None]:
    """Keep others out of a folder, made if absent; raises ValueError where another process is writing into it."""
    return folder_lock.sole_owner(folder, f"another process is preparing {folder}; wait for it or choose another --out")


def each_done(function: Callable[[Any], None], parts: Sequence[Any], workers: int, description: str) -> None:
    """Call a function with each part, in as many processes; the first error is raised when those under way are done."""
    if workers == 1:
        for part in progress(parts, description):
            function(part)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of whoever calls
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_serve) as pool:
        running = [pool.submit(function, part) for part in parts]
        try:
            for done in progress(as_completed(running), description, total=len(running)):
                done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _serve() -> None:
    """Leave Ctrl-C to the process that the workers belong to, and end when that one ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)
