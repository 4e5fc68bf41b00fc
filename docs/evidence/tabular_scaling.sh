#!/usr/bin/env bash
# Table 4 with three other scalings, registered in docs/log.md. MIXUP_JAX_DATA names the folder with the data.
# Stopped, it starts with the unfinished scaling anew: a scaling is minutes.
set -euo pipefail
for scaling in none minmax unit; do
    python -m experiments.tabular --scaling "$scaling" --alphas 0.2 --workdir "runs/tabular_scaling/$scaling"
done
