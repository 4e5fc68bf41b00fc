"""Laws of the experiments that make a table of many runs: which runs there are, and where the paper's numbers stand."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from experiments import ablation, corrupted_labels
from experiments.commands.command_line import parse
from experiments.commands.grid import each_alpha
from mixup_jax.choices import CutMix, Erm, Mixup
from mixup_jax.choices.networks import PreActResNet
from mixup_jax.data.dataset import Dataset
from mixup_jax.steps.recipe import make_recipe

SEEDS = (0, 1)
PIXELS, LABELS = np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.int32)
BLANK = Dataset("blank", "SYNTHETIC", tuple("ab"), PIXELS, LABELS, PIXELS, LABELS, (0.5,), (0.25,))
EXPERIMENTS = pytest.mark.parametrize("experiment", [corrupted_labels, ablation])


def fake_results(configs):
    """For each network a result whose numbers are all different."""
    results, count = {}, 0
    for name, config in configs.items():
        config = replace(config, seeds=len(SEEDS))
        values = (count + np.arange(len(config.runs))).tolist()
        count += len(values)
        result = {
            "test_error": dict.fromkeys(("best", "last", "median_last_10"), values),
            "train_error_real": values,
            "train_error_corrupted": values,
            "method": name,
            "methods": [f"{name} {alpha:g}" for alpha in config.mixing.alphas],
            "wrong_labels": 0.9 * config.data.label_noise,
            "mark": "REAL",
            "model": "preact_resnet",
            "dataset": "cifar10",
            "seeds": [seed for _, seed in config.runs],
        }
        results |= each_alpha(config, result)
    return results


def two_seeds(job):
    return replace(job, config=replace(job.config, seeds=len(SEEDS)))


def numbers_of_the_paper(table):
    return [row.paper for row in table.rows if any(value is not None for value in row.paper)]


@pytest.mark.parametrize("preset", corrupted_labels.PRESETS)
def test_table_2_has_a_row_for_every_network_of_the_grid(preset):
    job = two_seeds(corrupted_labels.PRESETS[preset][1])
    configs = corrupted_labels.configs(job)
    table = corrupted_labels.table(job, fake_results(configs))
    networks = sum(max(1, len(config.mixing.alphas)) for config in configs.values())
    assert len({row.values for row in table.rows}) == len(table.rows) == networks
    assert len({(row.group, row.label) for row in table.rows}) == networks
    assert {row.group for row in table.rows} == {
        "20 % of the labels drawn at random, 18.0 % wrong",
        "50 % of the labels drawn at random, 45.0 % wrong",
        "80 % of the labels drawn at random, 72.0 % wrong",
    }
    assert table.seeds == SEEDS


def test_the_paper_s_grid_holds_every_number_of_table_2():
    job = two_seeds(corrupted_labels.PRESETS["preact18"][1])
    configs = corrupted_labels.configs(job)
    table = corrupted_labels.table(job, fake_results(configs))
    assert sorted(numbers_of_the_paper(table)) == sorted(corrupted_labels.TABLE_2.values())
    assert sum(max(1, len(config.mixing.alphas)) for config in configs.values()) == 3 * (1 + 4 + 4 + 16)


def test_erm_of_table_2_does_not_mix_and_both_drops_and_mixes():
    configs = corrupted_labels.configs(corrupted_labels.PRESETS["preact18"][1])
    assert configs["20-erm"].runs == ((0.0, 0),)
    assert configs["20-erm"].model.dropout == configs["20-mixup"].model.dropout == 0
    both = configs["50-both-0.3"]
    assert (both.model.dropout, both.mixing.alphas, both.data.label_noise) == (0.3, (1.0, 2.0, 4.0, 8.0), 0.5)


@pytest.mark.parametrize("preset", ablation.PRESETS)
def test_table_5_has_all_rows_for_both_weight_decays_and_each_makes_a_recipe(preset):
    job = two_seeds(ablation.PRESETS[preset][1])
    configs = ablation.configs(job)
    table = ablation.table(job, fake_results(configs))
    variants = [each for name, each in ablation.VARIANTS.items() if preset == "preact18" or name != "layer 4"]
    assert [row.paper for row in table.rows] == [variant.paper for variant in variants]
    assert len(table.rows) == (22 if preset == "preact18" else 21)  # the small network has no layer 4
    assert len(table.columns) == 2
    cells = 2 * len(table.rows)
    assert len(set(configs.values())) == len(configs) == cells
    assert len({values for row in table.rows for values in row.values}) == cells
    for name, config in configs.items():
        recipe = make_recipe(config, BLANK)
        assert (recipe.mixer is None) == isinstance(config.mixing, Erm), name


def test_a_run_that_is_missing_leaves_its_place_in_table_5_empty():
    job = two_seeds(ablation.PRESETS["small"][1])
    results = fake_results(ablation.configs(job))
    del results[ablation.VARIANTS["layer 2"].apply(job.config, 5e-4)]
    (row,) = (row for row in ablation.table(job, results).rows if row.label == "layer 2")
    assert [len(values) for values in row.values] == [2, 0]


@pytest.mark.parametrize("preset", ablation.PRESETS)
def test_the_layers_of_table_5_are_those_of_the_network(preset):
    job = ablation.PRESETS[preset][1]
    stages = [f"stage{i + 1}" for i in range(len(job.config.model.blocks))]
    assert [ablation.VARIANTS[name].layer for name in job.only if name.startswith("layer")] == [*stages, "head"]


@pytest.mark.parametrize("preset", ablation.PRESETS)
def test_a_smoke_run_makes_a_few_rows_where_none_are_named(preset):
    job = replace(ablation.PRESETS[preset][1], smoke=True)
    assert ablation.names(job) == ablation.SMOKE
    assert ablation.names(replace(job, only=("layer 3",))) == ("layer 3",)


@pytest.mark.parametrize("name", [name for name in ablation.VARIANTS if name.startswith("layer")])
def test_the_smoke_run_of_a_layer_has_a_network_with_that_layer(name):
    job = replace(ablation.PRESETS["preact18"][1], only=(name,), smoke=True)
    (config,) = ablation.configs(job).values()
    small = replace(job, config=config).effective()
    layer = small.mixing.layer
    assert layer == "head" or int(layer.removeprefix("stage")) <= len(small.model.blocks)


@EXPERIMENTS
def test_every_command_of_the_page_is_understood(experiment):
    lines = [line.split("#")[0].split() for line in experiment.__doc__.splitlines() if "python -m" in line]
    assert len(lines) >= 2
    for line in lines:
        arguments = shlex.split(" ".join(line))[3:]
        preset, job = parse("test", "", experiment.PRESETS, "small", arguments)
        assert experiment.configs(job), preset


@EXPERIMENTS
@pytest.mark.parametrize(
    "options",
    [
        {"mixing": Erm()},
        {"mixing": Mixup(8.0)},
        {"mixing": Mixup((1.0, 8.0))},
        {"mixing": CutMix()},
    ],
)
def test_options_cannot_make_a_row_something_else_than_it_says(experiment, options):
    job = experiment.PRESETS["small"][1]
    with pytest.raises(ValueError, match=r"\w+ is what the rows of the table differ in, got .*: .*--\w+"):
        experiment.configs(replace(job, config=replace(job.config, **options)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: corrupted_labels.Grid(rates=(1.5,)), r"rates must be above 0 and at most 1 .*got \(1.5,\)"),
        (lambda: corrupted_labels.Grid(rates=(0.2, 0.2)), r"rates must be different numbers"),
        (lambda: corrupted_labels.Grid(dropouts=(0.0,)), r"dropouts must not hold 0: ERM is a row of its own"),
        (lambda: ablation.TableFive(only=("mixpu",)), "only must name rows of erm, .*; got mixpu"),
        (lambda: ablation.TableFive(weight_decays=()), "weight_decays must be at least one number"),
        (
            lambda: corrupted_labels.configs(
                replace(corrupted_labels.PRESETS["small"][1], grid=corrupted_labels.Grid(dropouts=(1.5,), rates=(0.2,)))
            ),
            r"dropout must be in \[0, 1\), got 1.5",
        ),
        (
            lambda: corrupted_labels.configs(
                replace(
                    corrupted_labels.PRESETS["small"][1],
                    config=replace(corrupted_labels.PRESETS["small"][1].config, model=PreActResNet(dropout=0.5)),
                )
            ),
            "dropout is what the rows of the table differ in, got 0.5",
        ),
    ],
)
def test_what_is_not_in_a_table_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
