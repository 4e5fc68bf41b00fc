"""A training step with mixup: ours, as a run takes it, against PyTorch's, eager and compiled, and against ERM."""

import os
import shutil
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks.harness.our_training import Training, gigaflop, noise_for
from benchmarks.harness.page import Table
from benchmarks.harness.turns import QUICK, Effort, Steps, add_installed, as_in_runs, digits, spread, take_turns
from benchmarks.limits import PRODUCT, beside_product, side_of
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN
from mixup_jax.choices import AdamW, Constant, Data
from mixup_jax.choices.networks import PreActResNet, ViT
from mixup_jax.config import Config

STEP = Config(data=Data(pad_crop=0, flip=False), schedule=Constant())
VIT = replace(STEP, model=ViT(width=192, depth=6, heads=3, patch=4), optimizer=AdamW(), batch_size=64)
CASES = {
    "PreAct ResNet-18, width 64, batch 32": replace(STEP, batch_size=32),
    "PreAct ResNet-18, width 16, batch 128": replace(STEP, model=PreActResNet(width=16), batch_size=128),
    "the small preset, one seed": replace(SMALL, seeds=1),
    "a Vision Transformer, width 192, depth 6, patch 4, batch 64": VIT,
    "the quick start's perceptron, batch 64": replace(CLEAN, seeds=1),
}
QUICK_CASES = {
    "a perceptron of width 16, batch 64": replace(CLEAN, model=replace(CLEAN.model, width=16), seeds=1),
    "a Vision Transformer of width 16": replace(VIT, model=ViT(width=16, depth=1, heads=2, patch=8), batch_size=8),
}
OURS, EAGER, COMPILED = "ours, mixup", "PyTorch, eager", "PyTorch, torch.compile"


def cases(effort: Effort) -> dict[str, Config]:
    """Return the networks to look at."""
    return QUICK_CASES if effort == QUICK else CASES


def in_torch(config: Config, *, compiled: bool = False) -> Steps:
    """Return the same training in PyTorch; compiled are network and loss, forward and backward."""
    from benchmarks.peers.torch_training import TorchTraining

    return TorchTraining(config, noise_for(config), compiled=compiled)


def measure(effort: Effort) -> list[Table]:
    """Measure the steps."""
    return [*(against_torch(name, config, effort) for name, config in cases(effort).items()), mixup_and_erm(effort)]


def against_torch(name: str, config: Config, effort: Effort) -> Table:
    """Compare one network's step with PyTorch's."""
    runs: dict[str, Steps] = {OURS: Training(config)}
    peers, note = {EAGER: partial(in_torch, config)}, ""
    if effort == QUICK:
        note = " A quick run leaves torch.compile out, which compiles for a minute."
    elif not shutil.which(os.environ.get("CXX", "g++")):
        note = " torch.compile is left out: there is no C++ compiler."
    else:
        peers[COMPILED] = partial(in_torch, config, compiled=True)
    missing = add_installed(runs, peers)
    timings, limits = beside_product(runs, as_in_runs(effort), pause=0.3)
    work, rows = gigaflop(config), []
    for title, timing in timings.items():
        over = "" if title == OURS else timing.over(timings[OURS])
        share = 100 * work / timing.median / median(limits)
        rows.append((title, timing.ms(), timing.rate(config.batch_size), over, digits(share)))
    rows.append((PRODUCT, "", "", "", "100"))
    optimizer = "AdamW with decay of kernels" if isinstance(config.optimizer, AdamW) else "SGD with momentum"
    optimizer += " and weight decay" if config.optimizer.weight_decay and config.optimizer.name == "sgd" else ""
    text = (
        "The same work on both sides: uint8 images in memory, normalised, mixed (alpha 1), forward, backward, "
        f"{optimizer}; float32, all cores. PyTorch has channels last; where it is compiled, network and loss are. The "
        f"work of a step, {work:.3g} GFLOP, is three times what XLA counts for the forward pass, convolutions taken as "
        f"direct ones. The limit is a product of {side_of(effort)} x {side_of(effort)} matrices by XLA, "
        f"{spread(limits)} GFLOP/s, in turns.{note}{missing}"
    )
    columns = ("", "ms", "images/s", "its time over ours", "% of the limit")
    return Table(f"Training step: {name}", columns, rows, text)


def mixup_and_erm(effort: Effort) -> Table:
    """Compare a step with mixup with the same step without a line of mixing."""
    rows = []
    for name, config in cases(effort).items():
        runs: dict[str, Steps] = {"mixup": Training(config), "ERM": Training(config, mixing=False)}
        timings = take_turns(runs, as_in_runs(effort), pause=0.05)
        rows.append((name, timings["mixup"].ms(), timings["ERM"].ms(), timings["mixup"].over(timings["ERM"])))
    text = (
        "ERM is compiled without drawing a plan and without mixing; mixing that costs nothing would give 1. The aim is "
        "at most 1.02."
    )
    columns = ("", "mixup, ms", "ERM, ms", "mixup over ERM")
    return Table("Training step: mixup against ERM", columns, rows, text)
