"""A training step of a Vision Transformer with mixup: ours, as a run takes it, against PyTorch's, eager and compiled.

python -m benchmarks.vit_step              # pip install torch; torch.compile needs a C++ compiler
"""

import os
import shutil
from dataclasses import replace
from typing import Any

from benchmarks.harness.our_training import gigaflop, noise_for, training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import aim, compared
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, Steps, as_in_runs, import_torch
from benchmarks.limits import beside_product, percent, the_product
from benchmarks.training_step import COLUMNS, OURS, step_rows
from mixup_jax.choices import AdamW, Constant, Data
from mixup_jax.choices.networks import ViT
from mixup_jax.config import Config

CONFIG = Config(
    data=Data(pad_crop=0, flip=False),
    model=ViT(width=192, depth=6, heads=3, patch=4),
    optimizer=AdamW(),
    schedule=Constant(),
    batch_size=64,
)
EAGER, COMPILED = "PyTorch, eager", "PyTorch, torch.compile"
BOUNDS = {EAGER: 1.0, COMPILED: 0.95}
"""The least that each time of PyTorch over ours is to be."""


def measure(effort: Effort) -> list[Table]:
    """Measure the step."""
    config = CONFIG
    if effort == QUICK:
        config = replace(CONFIG, model=ViT(width=16, depth=1, heads=2, patch=8), batch_size=8)
    others, missing = in_torch(config, compiled=effort != QUICK)
    timings, limits = beside_product({OURS: training(config), **others}, as_in_runs(effort), pause=0.3)
    own, work, verdicts = timings[OURS], gigaflop(config), []
    for title, bound in BOUNDS.items():
        if title in timings:
            ratios = timings[title].ratios(own)
            verdicts.append(f"{title} {compared(ratios)}. {aim({title: ratios}, bound, least=True)} ")
    model: Any = config.model
    text = (
        f"{''.join(verdicts)}Ours does its work at {percent(work / own.median, limits)} % of the speed of "
        f"{the_product(effort)}. A ViT of width {model.width} and depth {model.depth} with patches of {model.patch} x "
        f"{model.patch} pixels and a class token, batch {config.batch_size} of 32 x 32 x 3, 10 classes. The same work "
        "on both sides: uint8 images in memory, normalised, mixed (alpha 1), forward, backward, AdamW with decay of "
        "kernels; float32, all cores. PyTorch's attention is its fused kernel (scaled_dot_product_attention), as is "
        f"its AdamW; compiled are network and loss, forward and backward. The work of a step, {work:.3g} GFLOP, is "
        "three times what XLA counts for the forward pass. A ratio above 1 says that ours is faster."
        + "".join(f" {each}" for each in missing)
    )
    return [Table("Training step: a Vision Transformer", COLUMNS, step_rows(config, timings, limits), text)]


def in_torch(config: Config, *, compiled: bool = True) -> tuple[dict[str, Steps], list[str]]:
    """Return the contestants in PyTorch that can be had here, and why the others cannot, in sentences."""
    if not import_torch():
        return {}, [NO_TORCH]
    from benchmarks.peers.torch_training import TorchTraining

    data = noise_for(config)
    runs: dict[str, Steps] = {EAGER: TorchTraining(config, data)}
    if not compiled:
        return runs, ["A quick run leaves torch.compile out, which compiles for a minute."]
    if not shutil.which(os.environ.get("CXX", "g++")):
        return runs, ["torch.compile is left out: there is no C++ compiler."]
    return runs | {COMPILED: TorchTraining(config, data, compiled=True)}, []


if __name__ == "__main__":
    alone(measure)
