#!/usr/bin/env bash
# E2, registered in docs/log.md: white-box attacks on E1's networks, and what they say between training images.
#
#     docs/evidence/e2.sh [PART...]    after e1.sh of the same parts
#
# MIXUP_JAX_DATA names the folder with the data. Stopped, it starts with the unfinished measurement anew: minutes.
set -euo pipefail
[ $# -gt 0 ] || set -- 0 1 2 3 4
for part; do
    networks=(--erm "runs/e1/preact18-erm/$part" --mixup "runs/e1/preact18-mixup/$part")
    for epsilon in 1 2 4 8; do
        folder=runs/e2/epsilon-$epsilon/$part
        [ -e "$folder/table.json" ] || python -m experiments.adversarial "${networks[@]}" --epsilon "$epsilon" \
            --images 2000 --workdir "$folder"
    done
    folder=runs/e2/between/$part
    [ -e "$folder/table.json" ] || python -m experiments.between_samples "${networks[@]}" --pairs 2000 --workdir "$folder"
done
