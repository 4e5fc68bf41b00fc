"""The configuration of a run on wafer maps: frozen dataclasses whose comments are the command line's help."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from mixup_jax.choices import Adam, Cosine, Optimizer, Schedule
from mixup_jax.choices.networks import Network, WaferNet
from mixup_jax.config_checks import LARGEST, LEAST_ALPHA, SEEDS

SMALLEST = 8


@dataclass(frozen=True)
class WaferData:
    """Training maps: maps with one defect only, except with learn_mixed."""

    source: str = "generator"
    """generator, or a file or folder of maps: mixedwm38:PATH.npz, wm811k:PATH.pkl, npz:PATH, folder:PATH."""
    noise: Literal["low", "high"] = "low"
    """Background of the generator's maps: 2 to 8 % of the dies fail (low), or 15 to 25 %, as in MixedWM38 (high)."""
    train_maps: int = 400
    """Training maps that the generator draws of each defect (with learn_mixed: of each pattern)."""
    test_maps: int = 100
    """Validation maps of each defect, and test maps of each pattern, that the generator draws."""
    size: int = 52
    """Height and width of the maps; others are resized by nearest neighbours."""
    test_seed: int = 0
    """Another seed draws other test maps (generator); training and validation maps stay."""
    normal: bool = False
    """Also train on maps without a defect: a label of zeros (sigmoid head), or a class of their own (softmax)."""
    turns: bool = False
    """Turn and mirror training maps at random, by the eight symmetries of a square."""
    average: bool = False
    """With turns: predict a map by the mean of the logits of its eight turned and mirrored versions."""
    learn_mixed: bool = False
    """Learn from maps with several defects, as a reference to compare recipes with (generator, mode erm)."""
    choose_mixed: bool = False
    """With learn_mixed: choose thresholds on held-out maps of every pattern, in place of overlays of single ones."""


@dataclass(frozen=True)
class MapMixing:
    """How training maps are mixed."""

    mode: Literal["erm", "mixup", "mixup-multi-hot", "overlay"] = "overlay"
    """erm: no mixing. mixup: blended maps and labels. mixup-multi-hot: blended maps, labels of both. overlay: dies that
    fail in either map, labels of both."""
    head: Literal["softmax", "sigmoid"] = "sigmoid"
    """softmax: probabilities that sum to 1. sigmoid: a probability for each defect."""
    alpha: float = 1.0
    """Strength of mixup, lambda ~ Beta(alpha, alpha)."""
    maps: int = 2
    """Maximal number of maps that are laid over each other (overlay)."""
    probability: float = 1.0
    """Probability of each further map, for each example (overlay)."""
    background: Literal["add", "match"] = "add"
    """add: the background of all maps. match: the background of one map; it is taken away from the others (overlay)."""
    pairs: Literal["any", "possible"] = "any"
    """any: any defects are laid over each other. possible: only different ones that occur together; nothing over
    Near-Full or Random, not Center over Donut, not Edge-Loc over Edge-Ring, named in any spelling (overlay)."""


@dataclass(frozen=True)
class WaferConfig:
    """The configuration of a run: its result depends on nothing else."""

    data: WaferData = field(default_factory=WaferData)
    model: Network = field(default_factory=WaferNet)
    composing: MapMixing = field(default_factory=MapMixing)
    optimizer: Optimizer = field(default_factory=lambda: Adam(lr=2e-3, weight_decay=0.0))
    schedule: Schedule = field(default_factory=Cosine)
    batch_size: int = 32
    """Maps a step; the defect of each is drawn uniformly, so that classes are balanced."""
    steps: int = 600
    """Steps of the training, where no epochs are set."""
    epochs: float | None = None
    """Length of the training in passes through the training maps, however many a source has, in place of steps."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the forward and backward pass; parameters stay float32."""
    seed: int = 0
    """The first seed."""
    seeds: int = 1
    """Number of seeds to train: seed, seed + 1, ..."""

    def __post_init__(self) -> None:
        """Validate the configuration."""
        ranges = {
            "train_maps": (self.data.train_maps, 1, 10**6),
            "test_maps": (self.data.test_maps, 1, 10**6),
            "size": (self.data.size, SMALLEST, 4096),
            "maps": (self.composing.maps, 2, 1000),
            "batch_size": (self.batch_size, 2, 10**6),
            "steps": (self.steps, 1, 10**8),
            "seeds": (self.seeds, 1, SEEDS),
            "seed": (self.seed, 0, 2**32 - self.seeds),
            "test_seed": (self.data.test_seed, 0, 2**32 - 1),
        }
        for name, (value, least, most) in ranges.items():
            if not least <= value <= most:
                raise ValueError(f"{name} must be at least {least} and at most {most:,}, got {value}.")
        composing = self.composing
        if not LEAST_ALPHA <= composing.alpha <= LARGEST:
            raise ValueError(
                f"alpha must be a positive finite number, {LEAST_ALPHA:g} to {LARGEST:g}, got {composing.alpha}; mode "
                "erm mixes nothing."
            )
        if not 0 < composing.probability <= 1:
            raise ValueError(f"probability must be in (0, 1], got {composing.probability}.")
        if composing.mode != "overlay":
            default = MapMixing()
            for name in ("maps", "probability", "background", "pairs"):
                if getattr(composing, name) != getattr(default, name):
                    raise ValueError(
                        f"{name} is for the mode overlay, got {getattr(composing, name)} with {composing.mode}."
                    )
        if getattr(self.schedule, "lr_per", "step") == "epoch":
            raise ValueError("lr_per epoch is for trainings in epochs, and this one counts steps: leave it out.")
        if self.data.learn_mixed and (self.data.source != "generator" or composing.mode != "erm"):
            raise ValueError("learn_mixed is for the generator's maps and the mode erm, as a bound for other recipes.")
        if self.data.choose_mixed and not self.data.learn_mixed:
            raise ValueError("choose_mixed is for learn_mixed: recipes choose nothing on maps with several defects.")
        if self.epochs is not None and not 0 < self.epochs <= 10**6:
            raise ValueError(f"epochs must be positive and at most 1,000,000, got {self.epochs}.")

    @property
    def none_class(self) -> bool:
        """Whether "no defect" is a class of the softmax, the last one."""
        return self.data.normal and self.composing.head == "softmax"

    def in_steps(self, maps: int) -> "WaferConfig":
        """Return the configuration with the steps that its epochs of so many training maps are, rounded up.

        >>> [WaferConfig(epochs=100, batch_size=256).in_steps(maps).steps for maps in (16_000, 138_360)]
        [6250, 54047]
        """
        if self.epochs is None:
            return self
        return replace(self, epochs=None, steps=math.ceil(self.epochs * maps / self.batch_size))
