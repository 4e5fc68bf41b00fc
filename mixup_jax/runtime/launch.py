"""How and where a run is carried out. Nothing here changes what is learned: `fsdp` to rounding, all else bit for bit.

`deterministic` chooses a GPU's kernels, and is recorded with JAX's settings.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import psutil
from etils import epath

from mixup_jax.config import Config, usual
from mixup_jax.config_checks import LARGEST
from mixup_jax.runtime.buckets import check_name, is_bucket
from mixup_jax.runtime.identity import flatten, plain
from mixup_jax.runtime.signals import TimeLimit
from mixup_jax.runtime.trackers import PACKAGES, Name


@dataclass(frozen=True)
class Launch:
    """Where a run reads and writes, how often it saves, and the processes that take part."""

    workdir: Path | None = None
    """Folder of the run; the same command with the same folder resumes. Default: runs/EXPERIMENT/PRESET-DATASET."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    checkpoints: str | None = None
    """Folder of the checkpoints, or gs://BUCKET/FOLDER, to which the records of workdir are copied, too; each
    configuration has its own in it. Default: in workdir."""
    keep: int = 2
    """Checkpoints to keep: the newest ones, and the best besides."""
    workers: int = 0
    """Processes that decode training images which stay on disk (imagenet); 0, and testing: threads, one a core."""
    fsdp: bool = False
    """Each device keeps a part of every large parameter and of its optimiser state: less memory, more communication.
    Checkpoints are those of a run without; losses are equal to rounding, as on another number of devices."""
    track: tuple[Name, ...] = ()
    """Also tell TensorBoard, Weights & Biases or MLflow, one or several, what metrics.jsonl says."""
    tensorboard: bool = False
    """The same as --track tensorboard."""
    profile: int = 0
    """Steps to trace with jax.profiler, after the first call, into the folder profile of the workdir."""
    deterministic: bool = False
    """On GPUs: the same bits each time, by slower kernels (XLA's deterministic ones, chosen without measuring them);
    recorded with JAX's settings. Elsewhere bits repeat anyway, and it is refused."""
    coordinator: str | None = None
    """host:port of process 0, when processes are started by hand; found by itself under SLURM, Open MPI, GKE, TPU."""
    processes: int | None = None
    """Number of processes, when started by hand."""
    process_id: int | None = None
    """This process's number, from 0, when started by hand."""
    join_timeout: int = 120
    """Seconds to wait for the other processes to come."""
    max_hours: float | None = None
    """Save and leave with status 75 before so many hours have passed since the start of the process."""

    def __post_init__(self) -> None:
        """Refuse to keep nothing, or less than no workers."""
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep}.")
        check_name("checkpoints", self.checkpoints)
        for name in ("workdir", "data_dir"):
            check_name(name, getattr(self, name), bucket=False)
        if self.workers < 0:
            raise ValueError(f"workers must be at least 0, got {self.workers}.")
        if self.profile < 0:
            raise ValueError(f"profile must be at least 0, got {self.profile}.")
        if not 1 <= self.join_timeout <= 86_400:
            raise ValueError(f"join_timeout must be from 1 to 86400 seconds, a day, got {self.join_timeout}.")

        if self.max_hours is not None and not 0 < self.max_hours <= LARGEST:
            raise ValueError(f"max_hours must be above 0 and at most {LARGEST:,.0f}, got {self.max_hours:g}.")

    def time_limit(self) -> TimeLimit | None:
        """Return when to stop, nothing without a limit; hours count from the start of the process."""
        return None if self.max_hours is None else TimeLimit(self.max_hours, psutil.Process().create_time())

    @property
    def trackers(self) -> tuple[Name, ...]:
        """Return the names of the trackers, each once."""
        return tuple(name for name in PACKAGES if name in self.track or (self.tensorboard and name == "tensorboard"))

    def checkpoint_folder(self, workdir: Path, config: Config) -> epath.Path:
        """Return where a run's checkpoints are: below `checkpoints` after the fields that are not the defaults.

        >>> Launch(checkpoints="gs://bucket/runs").checkpoint_folder(Path("runs/a"), Config()).as_posix()
        'gs://bucket/runs/...'
        """
        if self.checkpoints is None:
            return epath.Path(workdir.absolute()) / "checkpoints"
        folder = epath.Path(self.checkpoints)
        if not is_bucket(self.checkpoints):
            folder = epath.Path(folder.expanduser().absolute())
        names = {name: value for name, value in flatten(plain(Config())).items() if name.endswith(".name")}
        defaults = flatten(plain(usual(config))) | names
        chosen = {name: value for name, value in flatten(plain(config)).items() if value != defaults[name]}
        return folder / hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]
