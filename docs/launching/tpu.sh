#!/bin/bash
# docs/launching/tpu.sh NAME ZONE gs://BUCKET: the same command on every host of a Cloud TPU slice; they find each other.
# The project and its requirements (with jax[tpu] and gcsfs) are installed in ~/mixup_jax, ImageNet is mounted at /mnt/data.
set -euo pipefail

if [ "$#" -ne 3 ]; then
    echo "usage: $0 NAME ZONE gs://BUCKET" >&2
    exit 2
fi
NAME=$1
ZONE=$2
BUCKET=$3
PYTHON=${PYTHON:-python} # on the hosts, of the environment that the project is installed in: an absolute path

gcloud compute tpus tpu-vm ssh "$NAME" --zone "$ZONE" --worker=all --command "cd mixup_jax && \
    '$PYTHON' -m experiments.imagenet resnet50-mixup \
    --data-dir /mnt/data --workdir runs/resnet50-mixup --checkpoints '$BUCKET/resnet50-mixup' --workers 64"
