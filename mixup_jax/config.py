"""The configuration of a run, and its choices (`mixup_jax.choices`).

A run is a function of `Config` and nothing else; where it runs and what it writes is `Launch` (runtime/launch.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from mixup_jax.choices import (
    GROUP,
    Augment,
    Constant,
    CutMix,
    Data,
    Erm,
    Loss,
    Mixed,
    Mixing,
    Mixup,
    NoAugment,
    Optimizer,
    Schedule,
    Sgd,
    Softmax,
    Step,
)
from mixup_jax.choices.networks import SIZES, Network, Plain, PreActResNet, ResNet
from mixup_jax.config_checks import SEEDS, Checked

C = TypeVar("C", bound=Any)

CHOICES: dict[str, dict[str, Callable[..., Any]]] = {
    "model": {kind.name: kind for kind in get_args(Network) if kind not in (ResNet, Plain)}
    | {name: partial(kind, name) for kind in (ResNet, Plain) for name in get_args(get_type_hints(kind)["name"])}
    | SIZES,
    "augment": {kind.name: kind for kind in get_args(Augment)},
    "mixing": {kind.name: kind for kind in get_args(Mixing)},
    "optimizer": {kind.name: kind for kind in get_args(Optimizer)},
    "schedule": {kind.name: kind for kind in get_args(Schedule)},
    "loss": {kind.name: kind for kind in get_args(Loss)},
}
"""Of each part of a configuration the types, by their names in config.json and on the command line.

A network's size has a name on the command line alone: `vit_base_patch16_224` is stored as `vit` with its options."""
DEPENDENT = {
    "decay_norm": "weight_decay",
    "decay": "weight_decay",
    "nesterov": "momentum",
    "warmup_start": "warmup_epochs",
    "warmup_prefix": "warmup_epochs",
    "stochastic_depth_rule": "stochastic_depth",
    "stochastic_depth_rescale": "stochastic_depth",
}
"""Options that do something only where another one is not 0."""


@dataclass(frozen=True)
class Config(Checked):
    """Everything that the result of a run depends on."""

    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=NoAugment)
    model: Network = field(default_factory=PreActResNet)
    mixing: Mixing = field(default_factory=Mixup)
    optimizer: Optimizer = field(default_factory=Sgd)
    schedule: Schedule = field(default_factory=Step)
    loss: Loss = field(default_factory=Softmax)
    batch_size: int = 128
    """Examples a step, over all devices."""
    epochs: float = 200
    """Passes over the training images."""
    eval_every: float | None = None
    """Epochs between evaluations; each is followed by a checkpoint. Default: 1, more where the test set is large."""
    label_smoothing: float = 0.0
    """Share of the label mass spread uniformly over all classes."""
    ema: float = 0.0
    """Decay of exponential moving averages of weights and BatchNorm statistics, which are then what is evaluated (the
    network itself too: test_error_raw); warmed up as min(ema, (1 + step) / (10 + step)). 0 switches them off."""
    accumulate: int = 1
    """Micro-batches a step; gradients are averaged, the mixed batch does not change."""
    norm_block: int | None = None
    """BatchNorm takes its statistics over runs of this many images of the batch; where it divides one device's share,
    no sum crosses devices for them. Default: over the whole batch, or micro-batch."""
    train_from: str | None = None
    """First layer that is trained, such as block9, stage3/block2 or head/dense; those before it stay as they are in the
    weights that the training starts from."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the forward and backward pass; parameters stay float32."""
    matmul_precision: Literal["default", "high", "highest"] = "default"
    """Of float32 products, in JAX's words. On GPUs default and high are TF32, highest is float32; on TPUs they are one,
    three and six passes of bfloat16; on CPUs all are float32."""
    init: str | None = None
    """Weights to start from: the folder of an earlier run, whose network is taken, a .npz, .safetensors or .pth file.
    Default: random ones."""
    normalize: Literal["source", "data", "imagenet", "half"] = "source"
    """Mean and deviation of pixels. source: those that the weights of --init are used to, without it the data's own.
    data: the data's own. imagenet: the usual ones of ImageNet. half: 0.5 and 0.5, pixels from -1 to 1."""
    seed: int = 0
    """The first seed."""
    seeds: int = 1
    """How many seeds to train at once: seed, seed + 1, ...; photographs that stay on disk are decoded for each."""

    def __post_init__(self) -> None:
        """Validate what depends on several fields; what depends on the data is validated with them."""
        super().__post_init__()
        if not 0 <= self.seed <= 2**32 - self.seeds:
            raise ValueError(f"seed must be between 0 and 2**32 - {self.seeds}, got {self.seed}.")
        if self.data.is_speech and not isinstance(self.augment, NoAugment):
            raise ValueError(f"augment {self.augment.name} is for images, and {self.data.dataset} is speech.")
        if self.normalize == "data" and self.init is None:
            raise ValueError("normalize data is for --init; without it images are normalised so: leave it out.")
        if self.normalize in ("imagenet", "half") and self.data.is_speech:
            raise ValueError(f"normalize {self.normalize} is for images, and {self.data.dataset} is speech.")
        if self.seeds * len(self.mixing.alphas) > SEEDS:
            raise ValueError(
                f"seeds times alphas must be at most {SEEDS:,}, got {self.seeds} and {self.mixing.alphas}."
            )
        for name, part in (("warmup_epochs", self.schedule), ("unmixed_epochs", self.mixing)):
            if getattr(part, name, 0.0) >= self.epochs:
                raise ValueError(f"{name} must be less than the {self.epochs:g} epochs, got {getattr(part, name):g}.")
        divisors: list[tuple[str, Any]] = [("accumulate", self), ("block", self.mixing)]
        if not self.data.is_streamed:  # a stream takes its photographs one by one
            divisors.append(("repeats", self.data))
        for name, part in divisors:
            count = getattr(part, name, None)
            if count is not None and (count < 1 or self.batch_size % count):
                raise ValueError(f"{name} must divide the batch of {self.batch_size}, got {count}.")
        if isinstance(self.mixing, Mixed) and self.mixing.among_neighbours and self.data.is_streamed:
            raise ValueError(f"partner {self.mixing.partner} needs data in memory; {self.data.dataset} is streamed.")
        micro_batch = self.batch_size // self.accumulate
        if self.norm_block is not None and micro_batch % self.norm_block:
            what = "batch" if self.accumulate == 1 else "micro-batch"
            raise ValueError(f"norm_block must divide the {what} of {micro_batch}, got {self.norm_block}.")
        if isinstance(self.mixing, Mixed) and self.data.repeats > 1:
            apart = self.batch_size // self.data.repeats  # rows between copies of an image
            if apart < 2 or (self.mixing.block or 0) > apart:
                raise ValueError(
                    f"repeats {self.data.repeats} puts copies of an image {apart} rows apart in the batch of "
                    f"{self.batch_size}; they must be at least 2 apart, and block at most that, got "
                    f"{self.mixing.block}: or an image is mixed with its own copy."
                )
        if isinstance(self.mixing, Mixed) and self.mixing.partner == "optimal":
            group = self.mixing.group or GROUP
            if self.batch_size % group or self.batch_size < 2 * group:
                raise ValueError(f"group must divide the batch of {self.batch_size} into two or more, got {group}.")
            if self.data.repeats > 1:
                raise ValueError(
                    f"partner optimal goes without repeats, got {self.data.repeats}: the nearest partner of an image "
                    "would be its own copy."
                )
        if isinstance(self.mixing, Mixup) and self.mixing.layer != "input" and self.accumulate > 1:
            raise ValueError(f"layer {self.mixing.layer} goes without --accumulate, got {self.accumulate}.")

    @property
    def runs(self) -> tuple[tuple[float, int], ...]:
        """Return (alpha, seed) of each network that is trained: all seeds of the first alpha, then of the next.

        >>> Config(mixing=Mixup((1.0, 8.0)), seeds=2).runs
        ((1.0, 0), (1.0, 1), (8.0, 0), (8.0, 1))
        """
        seeds = range(self.seed, self.seed + self.seeds)
        return tuple((alpha, seed) for alpha in self.mixing.alphas for seed in seeds)

    @property
    def side_by_side(self) -> bool:
        """Return whether several alphas are trained in one program."""
        return isinstance(getattr(self.mixing, "alpha", None), tuple)

    def each_alpha(self) -> tuple["Config", ...]:
        """Return the configuration of each alpha, as if it were trained alone; itself where there is one.

        >>> [config.mixing.name for config in Config(mixing=Mixup((0.0, 8.0))).each_alpha()]
        ['erm', 'mixup']
        """
        if isinstance(self.mixing, Erm | CutMix) or not self.side_by_side:
            return (self,)
        mixings = [replace(self.mixing, alpha=alpha) if alpha else Erm() for alpha in self.mixing.alphas]
        return tuple(replace(self, mixing=mixing) for mixing in mixings)

    def within_training(self) -> "Config":
        """Return the configuration without decays of the learning rate after the end of the training.

        >>> Config(schedule=Step(decay_epochs=(5.0, 20.0)), epochs=10).within_training().schedule.decay_epochs
        (5.0,)
        """
        if not isinstance(self.schedule, Step):
            return self
        decays = tuple(epoch for epoch in self.schedule.decay_epochs if epoch < self.epochs)
        warmup = {"warmup_epochs": self.schedule.warmup_epochs, "warmup_start": self.schedule.warmup_start}
        schedule = replace(self.schedule, decay_epochs=decays) if decays else Constant(**warmup)
        return replace(self, schedule=schedule)


def usual(config: C) -> C:
    """Return the default configuration of the same choices.

    >>> from mixup_jax.choices import Adam
    >>> usual(Config(optimizer=Adam(lr=0.01), epochs=3)) == Config(optimizer=Adam())
    True
    """
    parts = {name: getattr(config, name) for name in CHOICES if hasattr(config, name)}
    return replace(type(config)(), **{name: CHOICES[name][part.name]() for name, part in parts.items()})
