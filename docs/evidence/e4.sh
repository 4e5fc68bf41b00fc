#!/usr/bin/env bash
# E4, registered in docs/log.md: the recipe for wafer maps beside its controls, on test maps nothing was chosen on.
# All maps are the generator's. Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
for noise in low high; do
    python -m experiments.wafer controls --noise "$noise" --seed 3 --seeds 3 --test-seed 1 --workdir "runs/e4/$noise"
done
