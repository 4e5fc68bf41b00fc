#!/bin/bash
# docs/launching/ssh.sh HOST...: one process a host, over ssh; the first host is the one where they meet.
# Every host needs this folder under the same path, and a folder for the checkpoints that all of them see.
# SIGTERM and Ctrl-C are passed on: the run saves and ends, and this script after it.
set -euo pipefail

if [ "$#" -eq 0 ]; then
    echo "usage: $0 HOST..." >&2
    exit 2
fi
HERE=$(pwd)
PYTHON=${PYTHON:-python} # on the hosts, of the environment that the project is installed in: an absolute path
DATA=${DATA:-/shared/data}
RUNS=${RUNS:-/shared/runs}
PORT=${PORT:-12321}
first=$1
count=$#
hosts=("$@")
started=()

number() { # number ID: the file in which the remote shell writes its process number
    echo "/tmp/mixup-$PORT-$1.pid"
}

pass_on() {
    for id in "${!hosts[@]}"; do
        ssh "${hosts[$id]}" "kill -TERM \$(cat '$(number "$id")')" &
    done
}
trap pass_on TERM INT HUP

for id in "${!hosts[@]}"; do
    ssh -tt "${hosts[$id]}" "cd '$HERE' && echo \$\$ >'$(number "$id")' && \
        exec '$PYTHON' -m experiments.imagenet resnet50-mixup \
        --data-dir '$DATA' --workdir '$RUNS/resnet50-mixup' \
        --coordinator '$first:$PORT' --processes '$count' --process-id '$id'" &
    started+=("$!")
done

status=0
for process in "${started[@]}"; do
    while true; do
        code=0
        wait "$process" || code=$?
        kill -0 "$process" 2>/dev/null || break # a signal ends the waiting, not the process
    done
    [ "$code" -eq 0 ] || status=$code
done
exit "$status"
