#!/usr/bin/env bash
# E6, registered in docs/log.md: figure 5 with the paper's objective, small networks, 20,000 iterations.
# Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
python -m experiments.gan small --iterations 20000 --seed 5 --seeds 5 --workdir runs/e6
