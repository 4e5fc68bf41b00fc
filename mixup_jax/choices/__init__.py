"""The data and the choices of a run: augmentation, method, optimiser, schedule, loss; they validate themselves.

A choice is a type: ``optimizer=Sgd(...)`` or ``Adam(...)``, so that an option of another choice cannot be given. The
comments are the command line's help. The default of a new field must mean what was done before the field existed: it is
the default for older runs.
"""

from mixup_jax.choices.augment import Augment, BigVisionRandAugment, NoAugment, RandAugment, ThreeAugment
from mixup_jax.choices.data import IMAGE_SIZE, OF_FOLDERS, OF_PHOTOGRAPHS, Data
from mixup_jax.choices.losses import BinaryCrossEntropy, Loss, Softmax
from mixup_jax.choices.mixing import (
    GROUP,
    NEIGHBOURS,
    CutMix,
    Dirichlet,
    Erm,
    FMix,
    GridMix,
    Mixed,
    Mixing,
    Mixup,
    NoisyFeatureMixup,
    RegMixup,
    ResizeMix,
    SaliencyMix,
    Switch,
)
from mixup_jax.choices.optimizers import Adam, AdamW, Descent, Lamb, Optimizer, Sgd
from mixup_jax.choices.schedules import Constant, Cosine, Fall, Linear, Schedule, Step, Warmup

__all__ = [
    "GROUP",
    "IMAGE_SIZE",
    "NEIGHBOURS",
    "OF_FOLDERS",
    "OF_PHOTOGRAPHS",
    "Adam",
    "AdamW",
    "Augment",
    "BigVisionRandAugment",
    "BinaryCrossEntropy",
    "Constant",
    "Cosine",
    "CutMix",
    "Data",
    "Descent",
    "Dirichlet",
    "Erm",
    "FMix",
    "Fall",
    "GridMix",
    "Lamb",
    "Linear",
    "Loss",
    "Mixed",
    "Mixing",
    "Mixup",
    "NoAugment",
    "NoisyFeatureMixup",
    "Optimizer",
    "RandAugment",
    "RegMixup",
    "ResizeMix",
    "SaliencyMix",
    "Schedule",
    "Sgd",
    "Softmax",
    "Step",
    "Switch",
    "ThreeAugment",
    "Warmup",
]
