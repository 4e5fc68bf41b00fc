"""The rows of table 1: complete, consistent, and each of them a step that can be built."""

import numpy as np
import pytest

from experiments.imagenet.presets import PRESETS, TABLE_1
from mixup_jax.models import build
from mixup_jax.steps.optim import learning_rate

STEPS_PER_EPOCH = 1_281_167 / 1024


def test_table_1_has_15_rows_and_the_name_says_what_a_row_is():
    assert len(TABLE_1) == 15
    assert list(PRESETS)[:15] == list(TABLE_1)
    for name, row in TABLE_1.items():
        length = "" if row.epochs == 90 else f"-{row.epochs}"
        assert name == f"{row.model.replace('_', '-')}-{'mixup' if row.alpha else 'erm'}{length}"


def test_mixup_is_never_behind_erm_of_the_same_length_and_network():
    for name, row in TABLE_1.items():
        erm = TABLE_1.get(name.replace("mixup", "erm"))
        if erm is not None and row.alpha:
            assert row.top1 < erm.top1
            assert row.top5 is None or erm.top5 is None or row.top5 < erm.top5


@pytest.mark.parametrize("name", ["resnet50-mixup", "resnext101-64x4d-erm-100", "resnet101-mixup-200"])
def test_the_rate_rises_from_a_tenth_to_four_and_falls_three_times_by_ten(name):
    config = PRESETS[name][1]
    rate = learning_rate(config.schedule, config.optimizer.lr, STEPS_PER_EPOCH, config.epochs)
    edges = [0, 5, *config.schedule.decay_epochs]
    values = [float(rate(round(edge * STEPS_PER_EPOCH))) for edge in edges]
    np.testing.assert_allclose(values, [0.1, 0.4, 0.04, 0.004, 0.0004], rtol=1e-3)
    assert config.schedule.decay_epochs[-1] < config.epochs


@pytest.mark.parametrize("name", TABLE_1)
def test_every_network_can_be_built(name):
    config = PRESETS[name][1]
    network = build(config.model, 1000, config.compute_dtype)
    assert network.dtype == "bfloat16"
    assert config.batch_size % getattr(config.mixing, "block", 1) == 0
