"""How and where a run is carried out. Nothing here changes what is learned, bit for bit."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """Where a run reads and writes, how often it saves, and the processes that take part."""

    workdir: Path | None = None
    """Folder of the run; the same command with the same folder resumes. Default: runs/EXPERIMENT/PRESET-DATASET."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    keep: int = 2
    """Checkpoints to keep: the newest ones, and the best besides."""
    workers: int = 0
    """Processes that decode images which stay on disk (imagenet); 0: threads of this process, one a core."""
    tensorboard: bool = False
    """Also write TensorBoard event files into the workdir (needs tensorboardX)."""
    coordinator: str | None = None
    """host:port of process 0, when processes are started by hand; found by itself under SLURM, Open MPI, GKE, TPU."""
    processes: int | None = None
    """Number of processes, when started by hand."""
    process_id: int | None = None
    """This process's number, from 0, when started by hand."""

    def __post_init__(self) -> None:
        """Refuse to keep nothing, or less than no workers."""
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep}.")
        if self.workers < 0:
            raise ValueError(f"workers must be at least 0, got {self.workers}.")
