#!/usr/bin/env bash
# E0, registered in docs/log.md: figure 3 in small, ten disjoint training sets of Fashion-MNIST and of CIFAR-10.
# MIXUP_JAX_DATA names the folder with the data. Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
for part in 0 1 2 3 4 5 6 7 8 9; do
    for dataset in fashion_mnist cifar10; do
        for preset in small-erm small-mixup; do
            python -m experiments.cifar "$preset" --dataset "$dataset" --train-subset "$part" 10 \
                --seed $((5 + part)) --seeds 1 --workdir "runs/e0/$dataset/$preset/$part"
        done
    done
done
