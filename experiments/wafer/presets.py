"""The presets: the configurations of each table."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import tyro

from experiments.wafer.config import MapMixing, WaferConfig, WaferData
from mixup_jax.choices import Cosine, Sgd
from mixup_jax.choices.networks import ResNet, WaferNet
from mixup_jax.config import CHOICES

MODES = ("erm", "mixup", "mixup-multi-hot", "overlay")
HEADS = ("softmax", "sigmoid")
NETS = {
    "alexnet_gap": "AlexNet",
    "vgg16_gap": "VGGNet-16",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
}
"""The networks of the slides, with BatchNorm and average pooling as in the co-author's code: our name, their name."""


@dataclass(frozen=True)
class WaferJob:
    """A table on wafer maps: the configuration that its rows share, and its folder."""

    config: WaferConfig = field(default_factory=WaferConfig)
    only: tuple[str, ...] = ()
    """Only the rows with these names."""
    workdir: Path | None = None
    """Folder of the table and its runs, runs/wafer/PRESET-NOISE if left out; the same command goes on there."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """The whole path in a minute: a tiny net, few maps, two steps a row."""

    def effective(self) -> WaferConfig:
        """Return the configuration of the run, smaller with `smoke`."""
        return shrink(self.config) if self.smoke else self.config


SMALL = WaferConfig(model=WaferNet(width=16), steps=500, seeds=3)
# Paper: the slides say neither data set nor settings; these are those of a co-author's code of the time
# (github.com/hgkahng/wbm-self-supervised, September 2020): a softmax over eight defects and "none".
SLIDES = WaferConfig(
    data=WaferData(noise="high", train_maps=2000, size=64, normal=True),
    composing=MapMixing(mode="mixup", head="softmax"),
    model=ResNet("resnet18", dropout=0.5),
    optimizer=Sgd(lr=0.01, weight_decay=1e-3),
    schedule=Cosine(),
    batch_size=256,
    epochs=100.0,  # of the source's own number of training maps
    seeds=5,
)
BEST = replace(
    SMALL,
    data=WaferData(train_maps=4000, turns=True, average=True),
    composing=MapMixing(maps=6, probability=0.8, background="match", pairs="possible"),
    model=WaferNet(width=32),
    steps=4000,
)
# Test maps of a stream that nothing was chosen on, seeds that were not run, and as much training for each row.
CONTROLS = replace(BEST, data=replace(BEST.data, normal=True, test_seed=1), seed=3)


def _slides(source: str) -> WaferJob:
    data = WaferData(source=source, size=SLIDES.data.size, normal=True)
    return WaferJob(replace(SLIDES, data=data))


AS_SLIDES = ("slides", "mixedwm38", "wm811k")
"""Presets whose tables have the layout of the slides."""
PRESETS = {
    "small": ("Four training modes and two heads, a small net: two CPU cores.", WaferJob(SMALL)),
    "beyond": ("From an overlay of two maps to the best recipe, a step a row: two CPU cores.", WaferJob(BEST)),
    "slides": ("The table of the slides: five nets, plain and mixup, five seeds: an accelerator.", WaferJob(SLIDES)),
    "controls": (
        "Plain, mixup, overlays of any and of possible types, a reference: as much training each.",
        WaferJob(CONTROLS),
    ),
    "mixedwm38": (
        "The slides' table on MixedWM38 (--source mixedwm38:FILE.npz).",
        _slides("mixedwm38:Wafer_Map_Datasets.npz"),
    ),
    "wm811k": ("The same on WM-811K (--source wm811k:FILE.pkl), split by lots.", _slides("wm811k:LSWMD.pkl")),
    "train": (
        "One network, by default with the best recipe: for maps of your own, --source.",
        WaferJob(replace(BEST, seeds=1)),
    ),
}
ROW_FIELDS = {
    "small": ("composing.mode", "composing.head"),
    **dict.fromkeys(AS_SLIDES, ("model.name", "composing.mode")),
    "controls": ("composing.mode", "composing.pairs"),
    "beyond": ("composing.mode",),
    "train": (),
}
"""Fields that differ between the rows of a preset."""


def rows(preset: str, job: WaferJob) -> dict[str, WaferConfig]:
    """Return the configuration of each row by its name, which is also the name of its folder.

    Raises ValueError for options that differ between the rows, for options of the generator with maps from a file, and
    for names in --only that are no rows.

    >>> list(rows("small", WaferJob(SMALL)))[:3]
    ['erm-softmax', 'erm-sigmoid', 'mixup-softmax']
    """
    for name in ROW_FIELDS[preset]:
        given, default = (attrgetter(name)(each.config) for each in (job, PRESETS[preset][1]))
        if given != default:
            option = name.removesuffix(".name").split(".")[-1]
            raise ValueError(f"{option} is what the rows of {preset} differ in, got {given}: see --only.")
    if job.config.data.source != "generator":
        for name in ("noise", "train_maps", "test_maps", "test_seed"):
            given = getattr(job.config.data, name)
            if given != getattr(PRESETS[preset][1].config.data, name):
                raise ValueError(f"{name} is for the source generator, got {given} with {job.config.data.source}.")
    data = job.config.data
    if data.average and not data.turns and not PRESETS[preset][1].config.data.average:
        raise ValueError("average is for turns: networks that have learned no turned maps judge a map as it is.")
    config = job.effective()
    if preset == "train":
        found = {"network": config}
    elif preset in AS_SLIDES:
        options = {name: getattr(config.model, name) for name in ("width", "dropout", "remat")}
        nets = {net: replace(config, model=CHOICES["model"][net](**options)) for net in NETS}
        modes = {"plain": "erm", "mixup": "mixup"}
        found = {f"{net}-{name}": _mixed(nets[net], mode=mode) for net in nets for name, mode in modes.items()}
    elif preset == "small":
        found = {f"{mode}-{head}": _mixed(config, mode=mode, head=head) for mode in MODES for head in HEADS}
    elif preset == "controls":
        found = control_rows(config)
    else:
        found = ablation_rows(config)
    unknown = [name for name in job.only if name not in found]
    if unknown:
        raise ValueError(f"only must name rows of {preset}: {', '.join(found)}; got {unknown[0]!r}.")
    return {name: each for name, each in found.items() if not job.only or name in job.only}


def with_one_length(config: WaferConfig, given: Collection[str]) -> WaferConfig:
    """Return the configuration without the preset's epochs where steps are given; raises ValueError for both.

    >>> with_one_length(SLIDES, ["steps"]).epochs, with_one_length(SLIDES, []).epochs
    (None, 100.0)
    """
    if config.epochs is None or "steps" not in given:
        return config
    if "epochs" in given:
        raise ValueError(
            f"steps {config.steps} and epochs {config.epochs:g} both say how long to train: leave one out."
        )
    return replace(config, epochs=None)


def _mixed(config: WaferConfig, **change: Any) -> WaferConfig:
    return replace(config, composing=replace(config.composing, **change))


def ablation_rows(config: WaferConfig) -> dict[str, WaferConfig]:
    """Return the steps from the overlay of the small table to the configuration, and the bound for comparison."""
    start = replace(
        config,
        data=replace(config.data, train_maps=min(400, config.data.train_maps), turns=False, average=False),
        composing=MapMixing(head=config.composing.head),
        model=replace(config.model, width=min(SMALL.model.width, config.model.width)),
        steps=min(SMALL.steps, config.steps),
    )
    matched = replace(start, composing=config.composing)
    varied = replace(matched, data=replace(config.data, average=False))
    longer = replace(varied, steps=min(4 * start.steps, config.steps))
    found = {
        "two": start,
        "four": _mixed(matched, background="add", pairs="any"),
        "possible": _mixed(matched, background="add", pairs="possible"),
        "matched": matched,
        "varied": varied,
        "longer": longer,
        "wider": replace(longer, model=config.model),
        "best": config,
    }
    if config.data.source != "generator":
        return found
    return found | {"bound": reference(replace(config, data=replace(config.data, normal=False)))}


def reference(config: WaferConfig) -> WaferConfig:
    """Return the configuration that learns from mixed maps: about as many in all, a quarter of each of 37 patterns."""
    seen = replace(config.data, learn_mixed=True, train_maps=-(-config.data.train_maps // 4))
    return replace(config, data=seen, composing=MapMixing(mode="erm", head=config.composing.head))


def control_rows(config: WaferConfig) -> dict[str, WaferConfig]:
    """Return the recipe and its controls: the same maps, network, steps and seeds; with the generator a reference.

    Its thresholds are chosen on held-out mixed maps, those of the others on overlays.
    """
    plain, mixup = (
        replace(config, composing=MapMixing(mode=mode, head=config.composing.head)) for mode in ("erm", "mixup")
    )
    found = {"plain": plain, "mixup": mixup, "any": _mixed(config, pairs="any"), "best": config}
    if config.data.source != "generator":
        return found
    learned = reference(config)
    return found | {"reference": replace(learned, data=replace(learned.data, choose_mixed=True))}


def shrink(config: WaferConfig) -> WaferConfig:
    """Shrink a run to seconds, keeping its method."""
    data, model = replace(config.data, train_maps=8, test_maps=4), replace(config.model, width=4)
    return replace(config, data=data, model=model, batch_size=8, steps=2, epochs=None, seeds=1)
