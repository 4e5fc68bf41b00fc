"""A training step with mixup: ours, as a run takes it, against PyTorch's, eager and compiled, and against ERM.

python -m benchmarks.training_step             # pip install torch; torch.compile needs a C++ compiler
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.harness.our_training import gigaflop, noise_for, steps_of, training
from benchmarks.harness.page import Table, alone
from benchmarks.harness.sentences import aim, compared
from benchmarks.harness.turns import NO_TORCH, QUICK, Effort, Steps, Timing, as_in_runs, import_torch, spread
from benchmarks.limits import LIMIT, beside_product, percent, the_product
from experiments.cifar import SMALL
from experiments.quickstart import CLEAN
from mixup_jax.choices import AdamW, Constant, Data
from mixup_jax.choices.networks import PreActResNet, ViT
from mixup_jax.config import Config

STEP = Config(data=Data(pad_crop=0, flip=False), schedule=Constant())
VIT = replace(STEP, model=ViT(width=192, depth=6, heads=3, patch=4), optimizer=AdamW(), batch_size=64)
PERCEPTRON = "the quick start's perceptron, batch 64"
CASES = {
    "PreAct ResNet-18, width 64, batch 32": replace(STEP, batch_size=32),
    "PreAct ResNet-18, width 16, batch 128": replace(STEP, model=PreActResNet(width=16), batch_size=128),
    "the small preset, one seed": replace(SMALL, seeds=1),
    "a Vision Transformer, width 192, depth 6, patch 4, batch 64": VIT,
    PERCEPTRON: replace(CLEAN, seeds=1),
}
QUICK_CASES = {
    "a perceptron of width 16, batch 64": replace(CLEAN, model=replace(CLEAN.model, width=16), seeds=1),
    "a Vision Transformer of width 16": replace(VIT, model=ViT(width=16, depth=1, heads=2, patch=8), batch_size=8),
}
LAYOUTS = {"PyTorch, channels last": True, "PyTorch, channels first": False}
COMPILED = "PyTorch, torch.compile"
COLUMNS = ("", "ms", "images/s", "its time over ours", "processor ms an image", "GFLOP/s", "% of the limit")
OURS, SHARES = "ours, mixup", ("mixup, % of the limit", "ERM, % of the limit")


def in_torch(config: Config, names: Sequence[str] = (*LAYOUTS, COMPILED)) -> dict[str, Steps]:
    """Return the contestants in PyTorch, all or those named; none where it is not installed.

    Compiled are network and loss, forward and backward, with channels last.
    """
    if not import_torch():
        return {}
    from benchmarks.peers.torch_training import TorchTraining

    data = noise_for(config)
    return {
        name: TorchTraining(config, data, channels_last=LAYOUTS.get(name, True), compiled=name == COMPILED)
        for name in names
    }


def absent(effort: Effort) -> str:
    """Say why a contestant of PyTorch's is not here; nothing where all are."""
    if not import_torch():
        return NO_TORCH
    if effort == QUICK:
        return "A quick run leaves torch.compile out, which compiles for a minute."
    return "" if shutil.which(os.environ.get("CXX", "g++")) else "torch.compile is left out: there is no C++ compiler."


def measure(effort: Effort) -> list[Table]:
    """Measure the steps."""
    cases = QUICK_CASES if effort == QUICK else CASES
    return [*(against_torch(name, config, effort) for name, config in cases.items()), mixup_and_erm(effort)]


def against_torch(name: str, config: Config, effort: Effort) -> Table:
    """Compare one network's step with PyTorch's."""
    missing = absent(effort)
    others = in_torch(config, tuple(LAYOUTS) if missing else (*LAYOUTS, COMPILED))
    timings, limits = beside_product({OURS: training(config), **others}, as_in_runs(effort), pause=0.3)
    work, ratios = gigaflop(config), {title: timings[title].ratios(timings[OURS]) for title in others}
    sentences = [f"{title} {compared(each)}." for title, each in ratios.items()]
    if ratios:
        sentences.append(aim(ratios, 1.0 if config.model.name in ("vit", "mlp") else 0.75, least=True))
    optimizer = "AdamW with decay of kernels" if isinstance(config.optimizer, AdamW) else "SGD with momentum"
    optimizer += " and weight decay" if config.optimizer.weight_decay and config.optimizer.name == "sgd" else ""
    text = (
        f"{' '.join([*sentences, ''])}"
        f"Ours does its work at {percent(work / timings[OURS].median, limits)} % of the speed of "
        f"{the_product(effort)}. The same work on both sides: uint8 images in memory, normalised, mixed (alpha 1), "
        f"forward, backward, {optimizer}; float32, all cores. PyTorch is eager but for the row that says otherwise, "
        f"where network and loss are compiled, channels last. The work of a step, {work:.3g} GFLOP, is three times "
        "what XLA counts for the forward pass, convolutions taken as direct ones. A ratio above 1 says that ours is "
        "faster."
    )
    return Table(f"Training step: {name}", COLUMNS, step_rows(config, timings, limits), f"{text} {missing}".strip())


def step_rows(config: Config, timings: Mapping[str, Timing], limits: Sequence[float]) -> list[tuple[str, ...]]:
    """Return a row for each contestant, ours (`OURS`) among them, and one for the limit, under `COLUMNS`."""
    work, rows = gigaflop(config), []
    for title, timing in timings.items():
        rate = work / timing.median
        ratio = "" if title == OURS else timing.over(timings[OURS])
        processor = spread([1000 * each / config.batch_size for each in timing.processor])
        images = f"{config.batch_size / timing.median:.0f}"
        rows.append((title, timing.ms(), images, ratio, processor, f"{rate:.3g}", percent(rate, limits)))
    return [*rows, (LIMIT, "", "", "", "", spread(limits), "100")]


def mixup_and_erm(effort: Effort) -> Table:
    """Compare a step with mixup with the same step without a line of mixing."""
    cases = QUICK_CASES if effort == QUICK else CASES
    rows, ratios = [], {}
    for name, config in cases.items():
        runs: dict[str, Steps] = {"mixup": steps_of(config), "nothing": steps_of(config, mixing=False)}
        timings, limits = beside_product(runs, as_in_runs(effort))
        each = [timings[name] for name in ("mixup", "nothing")]
        ratios[name] = each[0].ratios(each[1])
        shares = [percent(gigaflop(config) / timing.median, limits) for timing in each]
        rows.append((name, each[0].ms(), each[1].ms(), each[0].over(each[1]), each[0].processor_over(each[1]), *shares))
    text = (
        f"{aim(ratios, 1.02)} ERM is compiled without drawing a plan and without mixing; mixing that costs nothing "
        f"would give 1. The limit is {the_product(effort)} by XLA, in turns."
    )
    columns = ("", "mixup, ms", "ERM, ms", "mixup over ERM", "the same in processor time", *SHARES)
    return Table("Training step: mixup against ERM", columns, rows, text)


if __name__ == "__main__":
    alone(measure)
