"""Shrink a run to seconds, keeping its method and its path through the program: what `--smoke` carries out."""

import math
from dataclasses import replace
from typing import Any

from mixup_jax.choices import GROUP, NEIGHBOURS, OF_FOLDERS, OF_PHOTOGRAPHS, Data, Mixed, Mixing, Step
from mixup_jax.choices.networks import MLP, ConvNeXt, DenseNet, MLPMixer, Network, PreActResNet, ViT, WideResNet
from mixup_jax.config import Config


def shrink(config: Config) -> Config:
    """Shrink a run to seconds, keeping its method."""
    # Spectrograms have 250 times the pixels of digits.
    dataset, examples, width = ("chirps", 64, 4) if config.data.is_speech else ("digits", 512, 16)
    layer = getattr(config.mixing, "layer", "input")
    schedule = replace(config.schedule, warmup_epochs=min(config.schedule.warmup_epochs, 1.0))
    accumulate = math.gcd(config.accumulate, 64)
    return replace(
        config,
        data=replace(
            config.data,
            dataset=dataset,
            train_examples=examples,
            validation=min(config.data.validation, 100.0),
            pad_crop=min(config.data.pad_crop, 1),
            repeats=min(config.data.repeats, 2),
            **{name: getattr(Data, name) for name in (*OF_PHOTOGRAPHS, *OF_FOLDERS)},
        ),
        model=tiny(config.model, layer, width),
        mixing=shrink_mixing(config.mixing, 64),
        schedule=replace(schedule, decay_epochs=(1.0,)) if isinstance(schedule, Step) else schedule,
        accumulate=accumulate,
        batch_size=64,
        norm_block=config.norm_block and math.gcd(config.norm_block, 64 // accumulate),
        epochs=2.0,
        eval_every=1.0,
    )


def tiny(model: Network, layer: str, width: int = 16) -> Network:
    """Return a tiny network of the same kind, for small images, with the layer at which hidden states are mixed.

    >>> from mixup_jax.choices.networks import ViT
    >>> tiny(ViT(), "block3") == ViT(width=16, depth=3, patch=2)
    True
    """
    digits = layer.removeprefix("stage").removeprefix("block")
    number = int(digits) if digits.isdigit() else 0
    size: dict[str, Any] = {"width": width}
    if isinstance(model, PreActResNet | WideResNet | DenseNet | ConvNeXt | MLP):
        size = {"width": 8}
    if isinstance(model, PreActResNet | WideResNet | DenseNet | ConvNeXt):
        size |= {"blocks": (1,) * min(max(2, number), len(model.blocks))}
    if isinstance(model, ViT | MLPMixer):
        size |= {"depth": min(max(2, number), model.depth)}
    size |= {name: value for name, value in {"patch": 2, "heads": None}.items() if name in vars(model)}
    return replace(model, **size)


def shrink_mixing(mixing: Mixing, batch_size: int) -> Mixing:
    """Fit a method to a few epochs of small batches of small pictures."""
    if not isinstance(mixing, Mixed):
        return mixing
    cells = {name: min(size, 4) for name in ("cells", "period") if (size := getattr(mixing, name, None))}
    return replace(
        mixing,
        block=mixing.block and math.gcd(mixing.block, batch_size),
        group=math.gcd(mixing.group or GROUP, batch_size // 2) if mixing.partner == "optimal" else None,
        neighbours=min(mixing.neighbours or NEIGHBOURS, 10) if mixing.among_neighbours else None,
        unmixed_epochs=min(mixing.unmixed_epochs, 1.0),
        **cells,
    )
