"""How and where a run is carried out. Nothing here changes what is learned, bit for bit (`fsdp`: to rounding)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from etils import epath

from mixup_jax.config import Config, usual
from mixup_jax.runtime.identity import flatten, plain


@dataclass(frozen=True)
class Launch:
    """Where a run reads and writes, how often it saves, and the processes that take part."""

    workdir: Path | None = None
    """Folder of the run; the same command with the same folder resumes. Default: runs/EXPERIMENT/PRESET-DATASET."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    checkpoints: str | None = None
    """Folder of the checkpoints, or gs://BUCKET/FOLDER; each configuration has its own in it. Default: in workdir."""
    keep: int = 2
    """Checkpoints to keep: the newest ones, and the best besides."""
    workers: int = 0
    """Processes that decode training images which stay on disk (imagenet); 0, and testing: threads, one a core."""
    fsdp: bool = False
    """Each device keeps a part of every large parameter and of its optimiser state: less memory, more communication.
    Checkpoints are those of a run without; losses are equal to rounding, as on another number of devices."""
    tensorboard: bool = False
    """Also write TensorBoard event files into the workdir (needs tensorboardX)."""
    coordinator: str | None = None
    """host:port of process 0, when processes are started by hand; found by itself under SLURM, Open MPI, GKE, TPU."""
    processes: int | None = None
    """Number of processes, when started by hand."""
    process_id: int | None = None
    """This process's number, from 0, when started by hand."""
    join_timeout: int = 120
    """Seconds to wait for the other processes to come."""

    def __post_init__(self) -> None:
        """Refuse to keep nothing, or less than no workers."""
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep}.")
        if self.workers < 0:
            raise ValueError(f"workers must be at least 0, got {self.workers}.")
        if not 1 <= self.join_timeout <= 86_400:
            raise ValueError(f"join_timeout must be from 1 to 86400 seconds, a day, got {self.join_timeout}.")

    def checkpoint_folder(self, workdir: Path, config: Config) -> epath.Path:
        """Return where a run's checkpoints are: below `checkpoints` after the fields that are not the defaults.

        >>> Launch(checkpoints="gs://bucket/runs").checkpoint_folder(Path("runs/a"), Config()).as_posix()
        'gs://bucket/runs/...'
        """
        if self.checkpoints is None:
            return epath.Path(workdir.absolute()) / "checkpoints"
        folder = epath.Path(self.checkpoints)
        if "://" not in self.checkpoints:
            folder = epath.Path(folder.expanduser().absolute())
        names = {name: value for name, value in flatten(plain(Config())).items() if name.endswith(".name")}
        defaults = flatten(plain(usual(config))) | names
        chosen = {name: value for name, value in flatten(plain(config)).items() if value != defaults[name]}
        return folder / hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]
