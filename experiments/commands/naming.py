"""Say in the paper's words what was trained, and on what."""

from dataclasses import fields
from typing import Any

from mixup_jax.choices import (
    GROUP,
    IMAGE_SIZE,
    BinaryCrossEntropy,
    CutMix,
    Data,
    Dirichlet,
    Mixed,
    Mixing,
    Mixup,
    Switch,
)
from mixup_jax.config import Config
from mixup_jax.methods.table import METHODS

PARTNERS = {
    "same_class": "same class",
    "different_class": "different class",
    "neighbours": "nearest neighbours",
    "same_class_neighbours": "nearest neighbours of the same class",
}

AUGMENTS = {
    "none": "",
    "randaugment": "RandAugment",
    "big_vision_randaugment": "big_vision's RandAugment",
    "three_augment": "3-Augment",
}


def in_tables(config: Config, mark: str, wrong_labels: float, part: bool) -> dict[str, Any]:
    """Return what a run is called in tables; `part` says whether photographs of the data set are missing."""
    return {
        "method": method(config),
        **({"methods": [method(each) for each in config.each_alpha()]} if config.side_by_side else {}),
        "model": config.model.name,
        "dataset": dataset(config.data) + (", a part" if part else ""),
        "mark": mark,
        **({"wrong_labels": wrong_labels} if config.data.label_noise else {}),
    }


def method(config: Config) -> str:
    """Say in the paper's words what was trained.

    >>> from mixup_jax.choices import Erm
    >>> method(Config()), method(Config(mixing=Erm()))
    ('mixup, alpha = 1', 'ERM')
    """
    mixing = config.mixing
    words = [_mixing(mixing)]
    if isinstance(mixing, Mixed):
        if mixing.partner == "optimal":
            words.append(f"k-mixup, k = {mixing.group or GROUP}")
        if mixing.partner in PARTNERS:
            words.append(PARTNERS[mixing.partner])
        if isinstance(mixing, Mixup) and mixing.layer != "input":
            words.append(f"at {mixing.layer}")
        if mixing.labels == "larger":
            words.append("inputs only")
        if mixing.probability < 1:
            words.append(f"probability {mixing.probability:g}")
        if mixing.phase_out is not None:
            words.append("phased out from {:g} to {:g} of the training".format(*mixing.phase_out))
        if mixing.unmixed_epochs:
            words.append(f"first {mixing.unmixed_epochs:g} epochs unmixed")
    if config.data.mix == "waveform":
        words.append("on waveforms")
    if config.data.repeats > 1:
        words.append(f"augmentation repeated {config.data.repeats} times")
    words += [each for each in (AUGMENTS[config.augment.name],) if each]
    if config.data.color_jitter:
        words.append(f"colour jitter {config.data.color_jitter:g}")
    if config.data.erase:
        words.append(f"random erasing {config.data.erase:g}")
    if config.data.noise:
        words.append(f"noise {config.data.noise:g}")
    if dropout := getattr(config.model, "dropout", 0):
        words.append(f"dropout {dropout:g}")
    if depth := getattr(config.model, "stochastic_depth", 0):
        words.append(f"stochastic depth {depth:g}")
    if config.init is not None:
        words.append("fine-tuned" if config.train_from is None else f"fine-tuned from {config.train_from} on")
    if config.ema:
        words.append(f"averaged weights ({config.ema:g})")
    if config.label_smoothing:
        words.append(f"label smoothing {config.label_smoothing:g}")
    if isinstance(config.loss, BinaryCrossEntropy):
        threshold = config.loss.target_threshold
        words.append("binary cross-entropy" + ", summed" * config.loss.sum_classes)
        words[-1] += "" if threshold is None else f", labels above {threshold:g}"
    return " + ".join(words)


def _mixing(mixing: Mixing) -> str:
    """Return the method's title, its alpha, and its own options where they are not the usual ones.

    >>> from mixup_jax.choices import GridMix
    >>> _mixing(GridMix(alpha=0.4, cells=8)), _mixing(Switch(0.8))
    ('GridMix, alpha = 0.4, cells = 8', 'mixup, alpha = 0.8 or CutMix, alpha = 1')
    """
    if not isinstance(mixing, Mixed):
        return "ERM"
    if isinstance(mixing, Switch):
        share = "" if mixing.switch_probability == 0.5 else f" in {100 * mixing.switch_probability:g} % of them"
        return f"{_mixing(Mixup(mixing.alpha))} or {_mixing(CutMix(mixing.cutmix_alpha))}{share}"
    title = METHODS[mixing.name].title if mixing.name in METHODS else "RegMixup"
    if isinstance(mixing, Dirichlet):
        title = f"mixup of {mixing.examples} examples"
    words = [f"{title}, alpha = {', '.join(f'{alpha:g}' for alpha in mixing.alphas)}"]
    elsewhere = {each.name for each in fields(Mixed)} | {"name", "alpha", "cutmix_alpha", "layer", "examples"}
    for option in fields(mixing):
        value = getattr(mixing, option.name)
        if option.name not in elsewhere and value != option.default:
            numbers = value if isinstance(value, tuple) else (value,)
            words.append(f"{option.name.replace('_', ' ')} = {' to '.join(map(str, numbers))}")
    return ", ".join(words)


def dataset(config: Data) -> str:
    """Say what was learned from; runs on different data are not compared.

    >>> dataset(Data("cifar10", train_examples=5000, label_noise=0.4))
    'cifar10, first 5,000 images, 40 % of the labels corrupted'
    """
    words = [config.dataset]
    if config.split is not None:
        words.append(f"split {' '.join(f'{share:g}' for share in config.split)}")
    if config.validation:
        held = f"{100 * config.validation:g} %" if config.validation < 1 else f"{config.validation:,.0f}"
        words.append(f"{held} held out")
    if config.train_subset is not None:
        index, count = config.train_subset
        words.append(f"part {index + 1} of {count}")
    if config.train_examples is not None:
        what = "recordings" if config.is_speech else "images"
        words.append(f"first {config.train_examples:,} {what}")
    if config.label_noise:
        words.append(f"{100 * config.label_noise:g} % of the labels corrupted")
    size = config.image_size or IMAGE_SIZE
    if size != IMAGE_SIZE or (config.is_folder and config.is_streamed):
        words.append(f"{size} pixels")
    if config.test_size not in (None, size):
        words.append(f"tested at {config.test_size} pixels")
    if config.test_crop != Data.test_crop:
        words.append(f"tested on {100 * config.test_crop:g} % of the side")
    if config.interpolation != Data.interpolation:
        words.append(f"{config.interpolation} resizing")
    return ", ".join(words)
