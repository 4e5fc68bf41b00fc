#!/bin/bash
# sbatch docs/launching/slurm.sh: ResNet-50 with mixup on 2 nodes of 4 GPUs, one process a GPU.
# sbatch docs/launching/slurm.sh -m experiments.cifar preact18-mixup --workdir FOLDER: another command of Python's.
# Three minutes before the time limit SLURM asks the run to stop; it saves, and the job takes its place in the queue again.
# It does so, too, where a task is lost, but not after RESTARTS times in the queue.
#SBATCH --job-name=mixup
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

PYTHON=${PYTHON:-python} # of the environment that the project is installed in: an absolute path
DATA=${DATA:-/shared/data}
RUNS=${RUNS:-/shared/runs}
RESTARTS=${RESTARTS:-20}

[ "$#" -gt 0 ] || set -- -m experiments.imagenet resnet50-mixup --data-dir "$DATA" --workdir "$RUNS/resnet50-mixup"
srun --kill-on-bad-exit=1 "$PYTHON" "$@"
status=$?

case $status in
    0 | 2) ;; # done, or something to mend: said in one line
    75 | 143) scontrol requeue "$SLURM_JOB_ID" ;; # --max-hours is over, or SIGTERM has come (128 + 15): not at its end
    *)
        if [ "${SLURM_RESTART_COUNT:-0}" -lt "$RESTARTS" ]; then
            scontrol requeue "$SLURM_JOB_ID"
        else
            echo "status $status, and $RESTARTS times in the queue: not queued again" >&2
        fi
        ;;
esac
exit "$status"
