"""Join the processes of a run: found by JAX under SLURM, Open MPI, GKE and Cloud TPU, or named by hand.

None of them can go on without the others: when one is lost, or fails alone, all of them end, within `LOST_SECONDS`.
"""

import atexit
import contextlib
import ctypes
import glob
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jax
from jax._src import distributed  # its store of keys and values has no public name

from mixup_jax.runtime.errors import RunEnded, reason_of

LOST_SECONDS = 30
"""This long after a process was cut off all have ended; where its connections break, they end at once."""
HEARTBEAT_SECONDS = LOST_SECONDS - 5
"""After this long without a sign of life JAX takes a process for lost; to say so and to leave takes some seconds."""

ABORTED = (
    b"error: another process of the run was lost, start the same command again (or JAX failed: it says so above)\n"
)
"""The last line of a process that JAX aborts."""

SIGNS_OF_LOSS = ("Gloo", "NCCL", "heartbeat", "UNAVAILABLE", "DEADLINE_EXCEEDED", "Connection ")


def join(
    coordinator: str | None = None, processes: int | None = None, process_id: int | None = None, timeout: int = 120
) -> None:
    """Call `jax.distributed.initialize` if the run has several processes; must come before any other use of devices.

    By hand all three of `coordinator` ("host:port"), `processes` and `process_id` are needed; with none of them JAX
    looks for a cluster in the environment, and where there is none the process runs alone.

    Where the others do not come within `timeout` seconds, the process ends with one line. Raises ValueError when some
    are missing or out of range, ConnectionError when they cannot be joined.
    """
    by_hand = {"--coordinator": coordinator, "--processes": processes, "--process-id": process_id}
    missing = [name for name, value in by_hand.items() if value is None]
    if missing and len(missing) < 3:
        raise ValueError(f"{', '.join(missing)} missing: a run of several processes needs all of {', '.join(by_hand)}.")
    if processes is not None and process_id is not None and not 0 <= process_id < processes:
        raise ValueError(f"--process-id must be between 0 and {processes - 1}, got {process_id}.")
    if coordinator is not None and not coordinator.rpartition(":")[2].isdigit():
        raise ValueError(f"--coordinator must be host:port, got {coordinator!r}.")
    jax.config.update("jax_enable_preemption_service", False)  # it takes SIGTERM from us, and tells nobody until a step
    where = f" at {coordinator}" if coordinator else ""
    late = (
        f"error: the processes of the run did not find each other{where} within {timeout} s; are all of them started?"
    )
    # JAX itself ends a process that waits in vain, with a page of addresses: be a little earlier.
    alarm = threading.Timer(timeout, end_process, (late, 2))
    alarm.daemon = True
    alarm.start()
    try:
        with warnings.catch_warnings():  # JAX's five lines on the package kubernetes; `alone` has what matters of them
            warnings.filterwarnings("ignore", r"\s*Kubernetes environment detected")
            jax.distributed.initialize(
                coordinator,
                processes,
                process_id,
                initialization_timeout=timeout + 60,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=LOST_SECONDS,
            )
    except ValueError as error:
        if "coordinator_address" not in str(error):  # that one says: no cluster here
            raise
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConnectionError(f"the processes of the run did not find each other{where}: {reason}") from error
    else:
        set_handler = ctypes.CDLL(None).signal
        set_handler(signal.SIGABRT, _aborted)  # one of the module signal would come too late
        atexit.register(set_handler, signal.SIGABRT, None)
    finally:
        alarm.cancel()
    if word := unused_gpus(os.environ) if jax.distributed.is_initialized() else alone(os.environ):
        warnings.warn(word, stacklevel=2)


def alone(environment: Mapping[str, str]) -> str:
    """Say why a process that has joined no others may have been meant to; nothing where it was not.

    >>> alone({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"})
    'this SLURM job has 8 tasks, and this process trains alone: start it with srun'
    """
    tasks = environment.get("SLURM_NTASKS", "1")
    if "SLURM_JOB_ID" in environment and "SLURM_STEP_NODELIST" not in environment and tasks != "1":
        return f"this SLURM job has {tasks} tasks, and this process trains alone: start it with srun"
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return (
            f"this pod, number {environment['JOB_COMPLETION_INDEX']} of its job, trains alone: if the job has several, "
            "install the package kubernetes, by which they find each other"
        )
    return ""


def unused_gpus(environment: Mapping[str, str], host: str = "/dev") -> str:
    """Say how many of this host's GPUs the tasks of a SLURM step use, where it is not all of them: JAX gives each one.

    >>> unused_gpus({"SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_LOCALID": "0", "CUDA_VISIBLE_DEVICES": "0,1,2,3"})
    'of the 4 GPUs of this host 1 will be used: start a task for each, --ntasks-per-node=4'
    """
    if environment.get("SLURM_LOCALID") != "0" or "SLURM_STEP_TASKS_PER_NODE" not in environment:
        return ""
    named = visible_gpus(environment)
    seen = len(glob.glob(f"{host}/nvidia[0-9]*")) if named is None else named
    tasks = re.match(r"\d+", environment["SLURM_STEP_TASKS_PER_NODE"])
    used = int(tasks[0]) if tasks else 1
    if used >= seen:
        return ""
    return f"of the {seen} GPUs of this host {used} will be used: start a task for each, --ntasks-per-node={seen}"


def visible_gpus(environment: Mapping[str, str]) -> int | None:
    """Return how many GPUs CUDA_VISIBLE_DEVICES names, which schedulers set; None where it says nothing."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    return None if named is None else len([each for each in named.split(",") if re.match(r"\s*(\d|GPU-|MIG-)", each)])


def no_gpus(environment: Mapping[str, str], platform: str) -> str:
    """Say that a run was given GPUs and trains on the CPU, unless it was told to; nothing where it does not.

    >>> no_gpus({"CUDA_VISIBLE_DEVICES": "0,1"}, "cpu")
    'CUDA_VISIBLE_DEVICES names 2 GPUs, and JAX finds none: install jax[cuda12], or say JAX_PLATFORMS=cpu'
    """
    if platform != "cpu" or environment.get("JAX_PLATFORMS") or not (count := visible_gpus(environment)):
        return ""
    found = f"CUDA_VISIBLE_DEVICES names {count} GPUs, and JAX finds none"
    return f"{found}: install jax[cuda12], or say JAX_PLATFORMS=cpu"


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(_: int) -> None:
    """Add the last line to what JAX says, from a thread of C++, when it aborts: process 0, or a heartbeat, is lost.

    JAX has no other way to hear of it: its callback for lost heartbeats cannot be one of Python (jaxlib 0.10 to 0.12).
    It waits until no other thread runs Python, and not beyond the end of the interpreter.
    """
    os.write(2, ABORTED)  # not `print`: who aborted may hold the lock of stderr
    os._exit(1)


@contextlib.contextmanager
def ends_together() -> Iterator[None]:
    """End this process at once when it fails within a run of several, so that the others notice; alone, do nothing.

    What all processes find out together (`RunEnded`) goes its usual way. For the rest there is no time: leaving in
    good order would mean to wait for processes that are lost, or wait for this one.
    """
    try:
        yield
    except Exception as error:
        if not several():
            raise
        reason = reason_of(error)
        if _lost(error):
            end_process(f"error: another process of the run was lost, start the same command again ({reason})", 1)
        if isinstance(error, RunEnded):
            raise
        end_process(f"error: {reason}", 1)


def _lost(error: BaseException | None) -> bool:
    """Whether an error comes from a connection to another process; whoever met it may have wrapped it."""
    while error is not None:
        if any(sign in str(error) for sign in SIGNS_OF_LOSS):
            return True
        error = error.__cause__
    return False


def several() -> bool:
    """Whether this process has joined others."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def store() -> Any:
    """Return the coordinator's store of keys and values, through which processes speak without their devices."""
    return distributed.global_state.client


def wait_for(name: str) -> str:
    """Return a value of the store when it is there: another process may take long, and signals are heard every second.

    Raises JaxRuntimeError where the coordinator is lost.
    """
    while True:
        try:
            return store().blocking_key_value_get(name, 1000)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise


def leave_together() -> None:
    """Let several processes wait for process 0 at a command's end: it may draw and copy for longer than JAX waits."""
    with ends_together():
        if jax.process_index() == 0:
            store().key_value_set("mixup_jax/done", "yes")
        else:
            wait_for("mixup_jax/done")


def end_process(message: str, code: int) -> NoReturn:
    """Say why, and leave without waiting for anything."""
    print(message, file=sys.stderr, flush=True)
    os._exit(code)
