"""How many steps a run takes, and after which of them it is evaluated."""

import math
from dataclasses import dataclass

from mixup_jax.config import Config


@dataclass(frozen=True)
class Plan:
    """The steps of a run: how many, how many make an epoch, and after which to evaluate."""

    steps: int
    steps_per_epoch: float
    marks: tuple[int, ...]


def plan_steps(train_examples: int, test_examples: int, config: Config) -> Plan:
    """Return the steps of a run; raises ValueError where batches or times between evaluations do not fit to the data.

    >>> plan_steps(1000, 100, Config(batch_size=128, epochs=2))
    Plan(steps=16, steps_per_epoch=7.8125, marks=(8, 16))
    """
    if config.batch_size > train_examples:
        raise ValueError(
            f"batch_size is {config.batch_size}; it must be between 1 and the {train_examples} images of an epoch"
        )
    # An evaluation costs as much as training on a third of the images: let it follow at least twice as many.
    rarely = math.ceil(2 * test_examples / train_examples)
    eval_every = rarely if config.eval_every is None else config.eval_every
    per_epoch = train_examples / config.batch_size
    if eval_every * per_epoch < 1:
        raise ValueError(f"eval_every must be at least a step, {1 / per_epoch:.3g} epochs, got {eval_every:g}.")
    steps = max(1, round(config.epochs * per_epoch))
    if (steps + 1) * config.batch_size >= 2**31:
        raise ValueError(f"epochs {config.epochs:g} make {steps} steps: more positions than 32 bits can count.")
    count = math.ceil(config.epochs / eval_every)
    marks = {min(steps, max(1, math.ceil(k * eval_every * per_epoch))) for k in range(1, count + 1)}
    return Plan(steps, per_epoch, tuple(sorted(marks | {steps})))
