"""The data and the choices of a run: augmentation, method, optimiser, schedule; dataclasses that validate themselves.

A choice is a type: ``optimizer=Sgd(...)`` or ``Adam(...)``, so that an option of another choice cannot be given. The
comments are the command line's help. The default of a new field must mean what was done before the field existed: it is
the default for older runs.
"""

from mixup_jax.choices.augment import Augment, BigVisionRandAugment, NoAugment, RandAugment, ThreeAugment
from mixup_jax.choices.data import IMAGE_SIZE, Data
from mixup_jax.choices.mixing import NEIGHBOURS, CutMix, Erm, Mixed, Mixing, Mixup, Switch
from mixup_jax.choices.optimizers import Adam, Optimizer, Sgd
from mixup_jax.choices.schedules import Constant, Cosine, Schedule, Step, Warmup

__all__ = [
    "IMAGE_SIZE",
    "NEIGHBOURS",
    "Adam",
    "Augment",
    "BigVisionRandAugment",
    "Constant",
    "Cosine",
    "CutMix",
    "Data",
    "Erm",
    "Mixed",
    "Mixing",
    "Mixup",
    "NoAugment",
    "Optimizer",
    "RandAugment",
    "Schedule",
    "Sgd",
    "Step",
    "Switch",
    "ThreeAugment",
    "Warmup",
]
