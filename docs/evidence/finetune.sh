#!/usr/bin/env bash
# Fine-tuning on a few images, registered in docs/log/finetune.md: pretrained on CIFAR-10, fine-tuned on Fashion-MNIST.
# MIXUP_JAX_DATA names the folder with the data. Stopped by SIGTERM or killed, the same command goes on.
set -euo pipefail
runs=${1:-runs/finetune}
network=(--model preact_resnet --width 24 --blocks 1 1 1 --stem-stride 2)
here=$(dirname "$0")

python -m experiments.cifar small-mixup --dataset cifar10 --train-examples 10000 --pad-crop 4 --flip --epochs 20 \
    --eval-every 20 --seed 100 --seeds 1 --workdir "$runs/pretrained"

train() { # train ARM LR PART PARTS FOLDER [OPTION...]: scratch has twice the steps; a part is a run's only training set
    local images=$((60000 / $4)) part=(--dataset fashion_mnist --train-subset "$3" "$4" --seed "$3" "${@:6}")
    if [ "$1" = scratch ]; then
        local epochs=$((600 * 32 / images))
        python -m experiments.cifar small-mixup "${part[@]}" --train-examples None --seeds 1 --flip --alpha 0.2 \
            --label-smoothing 0.1 --optimizer adamw --lr "$2" --weight-decay 0.05 --clip 1 --batch-size 32 \
            --epochs $epochs --warmup-epochs $((epochs / 10)) --eval-every $epochs --workdir "$5"
    else
        python -m experiments.finetune "$1" --init "$runs/pretrained" "${network[@]}" "${part[@]}" --lr "$2" \
            --steps 300 --workdir "$5"
    fi
}

rates() { # the three learning rates that an arm's pilots try
    case $1 in full) echo 3e-4 1e-3 3e-3 ;; *) echo 1e-3 3e-3 1e-2 ;; esac
}

for arm in scratch full head; do
    for lr in $(rates $arm); do train $arm "$lr" 100 240 "$runs/pilots/$arm/$lr" --validation 5000; done
    best=$(python "$here/finetune.py" best "$runs/pilots/$arm")
    for parts in 600 240; do
        for part in 0 1 2 3 4; do train $arm "$best" $part $parts "$runs/$((60000 / parts))/$arm/$part"; done
    done
done
python "$here/finetune.py" compare "$runs/100" "$runs/250"
