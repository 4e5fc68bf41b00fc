#!/usr/bin/env bash
# E3, registered in docs/log.md: a small ViT on five disjoint training sets with nothing, mixup, CutMix, or both.
#
#     docs/evidence/e3.sh [PART...]    all five, or some
#
# MIXUP_JAX_DATA names the folder with the data. Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
[ $# -gt 0 ] || set -- 0 1 2 3 4
for part; do
    for method in none mixup cutmix both; do
        python -m experiments.vit "small-$method" --train-subset "$part" 5 --seed "$part" --seeds 1 \
            --workdir "runs/e3/small-$method/$part"
    done
done
