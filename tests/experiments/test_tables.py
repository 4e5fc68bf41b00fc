"""Laws of the experiments that make a table of many runs: which runs there are, and where the paper's numbers stand."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import ablation, corrupted_labels
from experiments.grid import each_alpha
from mixup_jax.data import Dataset
from mixup_jax.training.recipe import make_recipe

SEEDS = (0, 1)
PIXELS, LABELS = np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.int32)
BLANK = Dataset("blank", "SYNTHETIC", tuple("ab"), PIXELS, LABELS, PIXELS, LABELS, (0.5,), (0.25,))


def fake_results(configs):
    """For each network a result whose numbers are all different."""
    results, count = {}, 0
    for name, config in configs.items():
        values = (count + np.arange(2 * max(1, len(config.mixing.alphas)))).tolist()
        count += len(values)
        one = {
            "test_error": dict.fromkeys(("best", "last", "median_last_10"), values),
            "train_error_real": values,
            "train_error_corrupted": values,
            "method": name,
            "methods": [f"{name} {alpha:g}" for alpha in config.mixing.alphas],
            "wrong_labels": 0.9 * config.data.label_noise,
            "mark": "REAL",
            "model": "preact_resnet",
            "dataset": "cifar10",
            "seeds": list(SEEDS) * max(1, len(config.mixing.alphas)),
        }
        results |= each_alpha(name, config, one)
    return results


def numbers_of_the_paper(table):
    return [row.paper for row in table.rows if any(value is not None for value in row.paper)]


@pytest.mark.parametrize("preset", corrupted_labels.PRESETS)
def test_table_2_has_a_row_for_every_network_of_the_grid(preset):
    job = corrupted_labels.PRESETS[preset][1]
    configs = corrupted_labels.runs(job)
    table = corrupted_labels.table(job, fake_results(configs))
    networks = sum(max(1, len(config.mixing.alphas)) for config in configs.values())
    assert len(table.rows) == networks
    assert len({row.values for row in table.rows}) == networks
    assert {row.group for row in table.rows} == {
        "20 % of the labels drawn at random, 18.0 % wrong",
        "50 % of the labels drawn at random, 45.0 % wrong",
        "80 % of the labels drawn at random, 72.0 % wrong",
    }
    assert table.seeds == SEEDS


def test_the_paper_s_grid_holds_every_number_of_table_2():
    job = corrupted_labels.PRESETS["preact18"][1]
    configs = corrupted_labels.runs(job)
    table = corrupted_labels.table(job, fake_results(configs))
    assert sorted(numbers_of_the_paper(table)) == sorted(corrupted_labels.TABLE_2.values())
    assert sum(max(1, len(config.mixing.alphas)) for config in configs.values()) == 3 * (1 + 4 + 4 + 16)


def test_erm_of_table_2_does_not_mix_and_both_drops_and_mixes():
    configs = corrupted_labels.runs(corrupted_labels.PRESETS["preact18"][1])
    assert configs["20 erm"].lanes == ((0.0, 0),)
    assert configs["20 erm"].model.dropout == configs["20 mixup"].model.dropout == 0
    both = configs["50 both 0.3"]
    assert (both.model.dropout, both.mixing.alphas, both.data.label_noise) == (0.3, (1.0, 2.0, 4.0, 8.0), 0.5)


@pytest.mark.parametrize("preset", ablation.PRESETS)
def test_table_5_has_all_rows_for_both_weight_decays_and_each_makes_a_recipe(preset):
    job = ablation.PRESETS[preset][1]
    configs = ablation.runs(job)
    table = ablation.table(job, fake_results(configs))
    assert [row.paper for row in table.rows] == [variant.paper for variant in ablation.VARIANTS.values()]
    assert len(table.rows) == 22
    assert len(table.columns) == 2
    assert len({repr(config) for config in configs.values()}) == len(configs) == 44
    for name, config in configs.items():
        recipe = make_recipe(config, BLANK)
        assert (recipe.layer, recipe.labels, recipe.noise) == (
            config.mixing.layer,
            config.mixing.labels,
            config.data.noise,
        ), name


def test_the_layers_of_table_5_are_those_of_the_network():
    stages = [f"stage{i + 1}" for i in range(len(ablation.PRESETS["preact18"][1].config.model.blocks))]
    assert [each.layer for name, each in ablation.VARIANTS.items() if name.startswith("layer")] == [*stages, "head"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: corrupted_labels.Grid(rates=(1.5,)), r"rates must be between 0 and 1 .*got \(1.5,\)"),
        (lambda: ablation.TableFive(only=("mixpu",)), "only must name rows of erm, .*; got mixpu"),
    ],
)
def test_what_is_not_in_a_table_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_options_that_the_table_is_over_are_refused():
    job = corrupted_labels.PRESETS["small"][1]
    noisy = replace(job, config=replace(job.config, data=replace(job.config.data, label_noise=0.4)))
    with pytest.raises(ValueError, match=r"label_noise is what the table is over: --rates 0.4"):
        corrupted_labels.runs(noisy)
    job = ablation.PRESETS["small"][1]
    noisy = replace(job, config=replace(job.config, data=replace(job.config.data, noise=0.4)))
    with pytest.raises(ValueError, match="choose rows with --only"):
        ablation.runs(noisy)
