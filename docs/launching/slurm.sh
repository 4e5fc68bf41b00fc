#!/bin/bash
# sbatch docs/launching/slurm.sh: ResNet-50 with mixup on 2 nodes of 4 GPUs, one process a GPU.
# Three minutes before the time limit SLURM asks the run to stop; it saves, and the job takes its place in the queue again.
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

DATA=${DATA:-/shared/data}
RUNS=${RUNS:-/shared/runs}

srun --kill-on-bad-exit=1 python -m experiments.imagenet resnet50-mixup \
    --data-dir "$DATA" --workdir "$RUNS/resnet50-mixup"
status=$?

if [ "$status" -eq 143 ]; then # 128 + SIGTERM: asked to stop, not at its end
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
