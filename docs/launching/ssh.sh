#!/bin/bash
# docs/launching/ssh.sh HOST...: one process a host, over ssh; the first host is the one where they meet.
# Every host needs this folder under the same path, and a folder for the checkpoints that all of them see.
set -euo pipefail

if [ "$#" -eq 0 ]; then
    echo "usage: $0 HOST..." >&2
    exit 2
fi
HERE=$(pwd)
DATA=${DATA:-/shared/data}
RUNS=${RUNS:-/shared/runs}
PORT=${PORT:-12321}
first=$1
count=$#
id=0
started=()

for host in "$@"; do
    ssh -tt "$host" "cd '$HERE' && python -m experiments.imagenet resnet50-mixup \
        --data-dir '$DATA' --workdir '$RUNS/resnet50-mixup' \
        --coordinator '$first:$PORT' --processes '$count' --process-id '$id'" &
    started+=("$!")
    id=$((id + 1))
done

status=0
for process in "${started[@]}"; do
    wait "$process" || status=$?
done
exit "$status"
