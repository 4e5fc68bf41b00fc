#!/bin/bash
# docs/launching/tpu.sh NAME ZONE gs://BUCKET: the same command on every host of a Cloud TPU slice; they find each other.
# The project and its requirements (with jax[tpu] and gcsfs) are installed in ~/mixup_jax, ImageNet is mounted at /mnt/data.
#
# A slice is asked for before, and is there when `queued-resources describe NAME --zone ZONE` says ACTIVE:
#     gcloud compute tpus queued-resources create NAME --node-id NAME --zone ZONE --spot \
#         --accelerator-type v6e-16 --runtime-version v2-alpha-tpuv6e
# or, for v5e, --accelerator-type v5litepod-16 --runtime-version v2-alpha-tpuv5-lite. A spot slice that was taken away does
# not come back: `queued-resources delete NAME --zone ZONE --force`, ask for another, and start this script again: the run
# goes on from its checkpoints in the bucket, and takes its records from there, where they are copied after each evaluation.
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
