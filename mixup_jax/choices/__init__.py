"""The data and the choices of a run: a method, an optimiser, a schedule; frozen dataclasses that validate themselves.

A choice is a type: ``optimizer=Sgd(...)`` or ``Adam(...)``, so that an option of another choice cannot be given. The
comments are the command line's help. The default of a new field must mean what was done before the field existed: it is
the default for older runs.
"""

from mixup_jax.choices.data import IMAGE_SIZE, Data
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
from mixup_jax.choices.optimizers import Adam, Optimizer, Sgd
from mixup_jax.choices.schedules import Constant, Cosine, Schedule, Step, Warmup

__all__ = [
    "GROUP",
    "IMAGE_SIZE",
    "NEIGHBOURS",
    "Adam",
    "Constant",
    "Cosine",
    "CutMix",
    "Data",
    "Dirichlet",
    "Erm",
    "FMix",
    "GridMix",
    "Mixed",
    "Mixing",
    "Mixup",
    "NoisyFeatureMixup",
    "Optimizer",
    "RegMixup",
    "ResizeMix",
    "SaliencyMix",
    "Schedule",
    "Sgd",
    "Step",
    "Switch",
    "Warmup",
]
