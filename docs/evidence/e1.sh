#!/usr/bin/env bash
# E1, registered in docs/log.md: CIFAR-10 with augmentation, five disjoint training sets, PreAct ResNet-18 of width 16.
#
#     docs/evidence/e1.sh [PART...]    all five, or some: E2 needs the networks of a part, and a machine may not keep them
#
# MIXUP_JAX_DATA names the folder with the data. Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
[ $# -gt 0 ] || set -- 0 1 2 3 4
for part; do
    for preset in preact18-erm preact18-mixup; do
        python -m experiments.cifar "$preset" --dataset cifar10 --width 16 --stem-stride 2 --train-subset "$part" 5 \
            --epochs 100 --decay-epochs 50 75 --eval-every 5 --seed "$part" --seeds 1 --workdir "runs/e1/$preset/$part"
    done
done
