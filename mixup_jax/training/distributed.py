"""Join the processes of a run: found by JAX under SLURM, Open MPI, GKE and Cloud TPU, or named by hand."""

import jax


def join(coordinator: str | None = None, processes: int | None = None, process_id: int | None = None) -> None:
    """Call `jax.distributed.initialize` if the run has several processes; must come before any other use of devices.

    By hand all three of `coordinator` ("host:port"), `processes` and `process_id` are needed; with none of them JAX
    looks for a cluster in the environment, and where there is none the process runs alone.

    Raises ValueError when some are missing or out of range, ConnectionError when the others do not come.
    """
    by_hand = {"--coordinator": coordinator, "--processes": processes, "--process-id": process_id}
    missing = [name for name, value in by_hand.items() if value is None]
    if missing and len(missing) < 3:
        raise ValueError(f"{', '.join(missing)} missing: a run of several processes needs all of {', '.join(by_hand)}.")
    if processes is not None and process_id is not None and not 0 <= process_id < processes:
        raise ValueError(f"--process-id must be between 0 and {processes - 1}, got {process_id}.")
    if coordinator is not None and not coordinator.rpartition(":")[2].isdigit():
        raise ValueError(f"--coordinator must be host:port, got {coordinator!r}.")
    try:
        jax.distributed.initialize(coordinator, processes, process_id, initialization_timeout=120)
    except ValueError as error:
        if "coordinator_address" not in str(error):  # that one says: no cluster here
            raise
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConnectionError(f"the processes of the run did not find each other within 120 s: {reason}") from error
