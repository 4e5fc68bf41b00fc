#!/bin/bash
# docs/launching/ssh.sh HOST...: one process a host, over ssh; the first host is the one where they meet.
# docs/launching/ssh.sh HOST... -- -m experiments.cifar preact18-mixup --workdir FOLDER: another command of Python's.
# Every host needs this folder under the same path, and a folder for the checkpoints that all of them see.
# SIGTERM and Ctrl-C are passed on: the run saves and ends, and this script after it.
set -euo pipefail

hosts=()
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
    hosts+=("$1")
    shift
done
if [ "${#hosts[@]}" -eq 0 ]; then
    echo "usage: $0 HOST... [-- ARGUMENTS OF PYTHON]" >&2
    exit 2
fi
HERE=$(pwd)
PYTHON=${PYTHON:-python} # on the hosts, of the environment that the project is installed in: an absolute path
DATA=${DATA:-/shared/data}
RUNS=${RUNS:-/shared/runs}
PORT=${PORT:-12321}
started=()
if [ "$#" -gt 1 ]; then
    shift # the --
else
    set -- -m experiments.imagenet resnet50-mixup --data-dir "$DATA" --workdir "$RUNS/resnet50-mixup"
fi

number() { # number ID: the file in which the remote shell writes its process number
    echo "/tmp/mixup-$PORT-$1.pid"
}

# shellcheck disable=SC2029,SC2317 # the name of the file is ours; the trap calls it
pass_on() {
    for id in "${!hosts[@]}"; do
        ssh "${hosts[$id]}" "kill -TERM \$(cat '$(number "$id")')" &
    done
}
trap pass_on TERM INT HUP

for id in "${!hosts[@]}"; do
    words=("$PYTHON" "$@" --coordinator "${hosts[0]}:$PORT" --processes "${#hosts[@]}" --process-id "$id")
    # shellcheck disable=SC2029 # the words are ours, quoted for the shell there
    ssh -tt "${hosts[$id]}" "cd ${HERE@Q} && echo \$\$ >'$(number "$id")' && exec ${words[*]@Q}" &
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
