"""The configuration of a run: frozen dataclasses whose comments are the command line's help.

A run is a function of `Config` and nothing else; where it runs and what it writes is `Launch` (runtime/launch.py).
A new field's default must mean what was done before there was such a field: runs without it are read with the default.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from mixup_jax.config_checks import check_config


@dataclass(frozen=True)
class Data:
    """What is learned from."""

    dataset: str = "cifar10"
    """digits, fashion_mnist, cifar10, cifar100, imagenet or folder:PATH (PATH/train/<class>/*.png, PATH/test/...); of
    speech speech_commands, fsdd, fsdd:SPEAKER (held out), chirps or speech:PATH (PATH/<word>/*.wav)."""
    train_examples: int | None = None
    """Train on the first N images only (default: all), of the subset if there is one."""
    train_subset: tuple[int, int] | None = None
    """INDEX COUNT: train on one of COUNT disjoint parts of the training images, INDEX counted from 0."""
    label_noise: float = 0.0
    """Share of the training labels replaced by a class drawn uniformly, the true one included."""
    pad_crop: int = 4
    """Zero pixels added on each side before a random crop back to size; 0 switches it off."""
    flip: bool = True
    """Mirror images left to right at random."""
    image_size: int = 224
    """Side of the square that imagenet's photographs are cut and resized to."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to the normalised input."""
    nyquist: bool = False
    """Keep the last row of spectrograms, 161 of them in place of the paper's 160."""


@dataclass(frozen=True)
class Model:
    """The network, one of mixup_jax.models.MODELS."""

    model: str = "preact_resnet"
    """preact_resnet, wide_resnet, densenet or mlp; or by name: resnet18, resnet34, resnet50, resnet101,
    resnext101_32x4d, resnext101_64x4d, alexnet, vgg16, and of the last two _bn (BatchNorm), _gap (also global average
    pooling instead of hidden layers); for speech lenet and vgg11."""
    width: int | None = None
    """Channels of the first stage (resnets, vgg11), of each stage (lenet), growth rate (densenet), or units of each
    hidden layer (mlp); for the other nets with a name 64 is the published size, 32 halves every layer. None: the
    network's own, published width."""
    blocks: tuple[int, ...] | None = None
    """Blocks (densenet: layers) of each stage; the image halves from stage to stage, the width of resnets doubles.
    None: the network's own."""
    variant: Literal["H", "F"] = "H"
    """H: plain stem, raw shortcut (hongyi-zhang/mixup). F: BN-ReLU stem, pre-activated shortcut (mixup-cifar10)."""
    dropout: float = 0.0
    """Probability of dropping a unit: between the two convolutions of a block, after each hidden layer, or before the
    last layer (resnet18, ..., _gap); of lenet also a channel of the second convolution."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the forward and backward pass; parameters stay float32."""
    stem_stride: Literal[1, 2] = 1
    """2 halves the image before the first stage, for a quarter of the work (preact_resnet)."""
    remat: bool = False
    """Compute the inside of each layer or block again in the backward pass: slower, less memory (densenet, nets by
    name)."""


@dataclass(frozen=True)
class Mixing:
    """How examples are mixed (paper, section 2)."""

    alpha: float = 1.0
    """Strength of mixup, lambda ~ Beta(alpha, alpha); 0 is ERM."""
    alphas: tuple[float, ...] = ()
    """Train with each of these alphas instead, side by side in one program, every one with all seeds."""
    method: Literal["mixup", "cutmix", "switch"] = "mixup"
    """mixup blends two images, cutmix pastes a box, switch picks one of the two."""
    cutmix_alpha: float = 1.0
    """The alpha of CutMix; --alpha is mixup's."""
    switch_probability: float = 0.5
    """Probability that method switch picks CutMix."""
    probability: float = 1.0
    """Probability of mixing at all, drawn for each batch (or example, see --per)."""
    phase_out: tuple[float, float] | None = None
    """Shares of the training between which the probability falls to 0; two equal numbers switch it off there."""
    unmixed_epochs: float = 0.0
    """Epochs at the start without mixing."""
    mix: Literal["spectrogram", "waveform"] = "spectrogram"
    """Speech: mix spectrograms, computed once, or waveforms, of which every step computes the spectrograms."""
    per: Literal["batch", "example"] = "batch"
    """One lambda for the whole batch, or one for each example."""
    partner: Literal[
        "permutation",
        "derangement",
        "roll",
        "flip",
        "same_class",
        "different_class",
        "neighbours",
        "same_class_neighbours",
    ] = "permutation"
    """How partners are chosen: permutation (released code), derangement (never itself), roll, flip; by class in the
    batch; or among the nearest neighbours in the training set."""
    neighbours: int = 200
    """How many nearest neighbours an example has (raw pixels, Euclidean)."""
    layer: str = "input"
    """Mix the input of this layer instead of the images: stage1, ..., head (manifold mixup)."""
    labels: Literal["mix", "larger"] = "mix"
    """Mix labels too, or keep that of the example which weighs more."""
    block: int | None = None
    """Partners come from runs of this many examples; where it divides one device's share, no image moves."""
    label_smoothing: float = 0.0
    """Share of the label mass spread uniformly over all classes."""


@dataclass(frozen=True)
class Optimizer:
    """The optimiser, with coupled L2, and the learning-rate schedule."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    """sgd, with momentum, or adam."""
    lr: float = 0.1
    """Learning rate after the warm-up."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: float = 1e-4
    """Coupled L2 on all parameters, biases and BatchNorm included, as in the released code."""
    decay_norm: bool = True
    """Coupled L2 also on scales and biases of BatchNorm; the ImageNet recipe leaves these out."""
    schedule: Literal["step", "cosine", "constant"] = "step"
    """How the learning rate falls."""
    decay_epochs: tuple[float, ...] = (100, 150)
    """Epochs at which the step schedule divides the learning rate."""
    decay_factor: float = 0.1
    """What the step schedule multiplies by."""
    warmup_epochs: float = 0.0
    """Epochs of linear warm-up."""
    warmup_start: float = 0.0
    """Learning rate at the start of the warm-up."""
    accumulate: int = 1
    """Micro-batches a step; gradients are averaged, the mixed batch does not change."""
    ema: float = 0.0
    """Decay of exponential moving averages of weights and BatchNorm statistics, which are then what is evaluated (the
    network itself too: test_error_raw); warmed up as min(ema, (1 + step) / (10 + step)). 0 switches them off."""


@dataclass(frozen=True)
class Config:
    """Everything that the result of a run depends on."""

    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    mixing: Mixing = field(default_factory=Mixing)
    optimizer: Optimizer = field(default_factory=Optimizer)
    batch_size: int = 128
    """Examples a step, over all devices."""
    epochs: float = 200
    """Passes over the training images."""
    eval_every: float | None = None
    """Epochs between evaluations; each is followed by a checkpoint. Default: 1, more where the test set is large."""
    seed: int = 0
    """The first seed."""
    seeds: int = 1
    """How many seeds to train at once: seed, seed + 1, ..."""

    def __post_init__(self) -> None:
        """Refuse what no run can be made of."""
        check_config(self)

    @property
    def runs(self) -> tuple[tuple[float, int], ...]:
        """Return (alpha, seed) of each network that is trained: all seeds of the first alpha, then of the next.

        >>> Config(mixing=Mixing(alphas=(1.0, 8.0)), seeds=2).runs
        ((1.0, 0), (1.0, 1), (8.0, 0), (8.0, 1))
        """
        seeds = range(self.seed, self.seed + self.seeds)
        return tuple((alpha, seed) for alpha in self.mixing.alphas or (self.mixing.alpha,) for seed in seeds)

    def each_alpha(self) -> tuple["Config", ...]:
        """Return the configuration of each alpha, as if it were trained alone; itself where there is one.

        >>> [config.mixing.alpha for config in Config(mixing=Mixing(alphas=(1.0, 8.0))).each_alpha()]
        [1.0, 8.0]
        """
        mixings = [replace(self.mixing, alpha=alpha, alphas=()) for alpha in self.mixing.alphas]
        return tuple(replace(self, mixing=mixing) for mixing in mixings) or (self,)
