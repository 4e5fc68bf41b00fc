#!/usr/bin/env bash
# From a folder of photographs, PHOTOS/<class>/..., to predictions: bash docs/own-data.sh PHOTOS NEW OUT
# NEW is a folder of images to predict, OUT the folder for what is made. Options after these go to the training.
set -euo pipefail
photos=$1 new=$2 out=$3
shift 3

# Train: 60 % of the images, by a hash of their names; 20 % choose the best epoch, 20 % test it. A file that cannot be read is
# left out, and said. If it is interrupted, the same command goes on from its last checkpoint.
train=(python -m experiments.cifar small-mixup --dataset "folder:$photos" --image-size 32 --split 0.6 0.2 0.2 --skip-bad
    --seeds 1 --workdir "$out/run" "$@")
"${train[@]}" & trap 'kill $! 2>/dev/null || true' EXIT
until [ -s "$out/run/metrics.jsonl" ] || ! kill -0 $! 2>/dev/null; do sleep 0.2; done
kill -TERM $! 2>/dev/null || true # as a scheduler would stop it
wait $! || [ $? = 143 ]
"${train[@]}"

# Evaluate: error by class, confusion, worst images, calibration.
python -m experiments.report "$out/run" -o "$out/report.html"

# Predict, by the run; then by an export of it, which timm, JAX alone, or this project can load.
python -m experiments.predict "$out/run" "$new" -o "$out/predictions.csv"
python -m experiments.export "$out/run" -o "$out/export"
python -m experiments.predict "$out/export" "$new" -o "$out/again.csv"
cmp "$out/predictions.csv" "$out/again.csv"
