"""Laws of the rows: equal runs over different seeds are one row, and ERM meets what differs by mixing only."""

import json
from typing import get_args

import numpy as np
import pytest

from mixup_jax.choices import Mixed
from mixup_jax.report.conditions import compare, group, result_tables
from mixup_jax.report.runs import load_runs
from mixup_jax.report.statistics import holm


def load(folder):
    return load_runs([folder])[0]


def test_seeds_trained_one_by_one_are_the_row_of_seeds_trained_together(make_run, tmp_path):
    for seed, error in enumerate([5.5, 5.6, 5.7]):
        make_run(f"apart/{seed}", alpha=0.0, errors=[error], seeds=[seed])
    (apart,) = group(load(tmp_path / "runs" / "apart"))
    (together,) = group(load(make_run("together", alpha=0.0, errors=[5.5, 5.6, 5.7])))
    assert apart.error() == together.error() == {0: 5.5, 1: 5.6, 2: 5.7}
    assert apart.curve("test_error")[1].shape == together.curve("test_error")[1].shape


def test_two_runs_of_one_seed_stay_apart(make_run, tmp_path):
    make_run("first", alpha=0.0, errors=[5.5])
    make_run("second", alpha=0.0, errors=[5.6])
    assert [condition.label for condition in group(load(tmp_path))] == ["ERM · first", "ERM · second"]


def test_the_same_networks_trained_twice_are_shown_once(make_run, tmp_path):
    for experiment in ("adversarial", "between_samples"):
        for name, alpha in (("erm", 0.0), ("mixup", 1.0)):
            make_run(f"{experiment}/{name}", alpha=alpha, errors=[5.5], experiment=experiment)
    conditions = group(load(tmp_path))
    assert [condition.label for condition in conditions] == ["ERM", "mixup, alpha = 1"]
    assert [condition.runs[0].path.parts[-2:] for condition in conditions[:1]] == [("adversarial", "erm")]
    assert len(compare(conditions)) == 1
    make_run("once_more", alpha=0.0, errors=[5.5], params_digest="")
    make_run("unfinished", alpha=0.0, errors=[5.5], done=20)
    assert len(group(load(tmp_path))) == 4


@pytest.mark.parametrize("change", [{"commit": "other"}, {"mark": "REAL"}, {"dataset": "cifar10"}])
def test_runs_that_differ_in_more_than_seeds_stay_apart(make_run, tmp_path, change):
    make_run("first", alpha=0.0, errors=[5.5], seeds=[0])
    make_run("second", alpha=0.0, errors=[5.6], seeds=[1], **change)
    assert len(group(load(tmp_path))) == 2


def test_a_curve_has_the_epochs_that_all_seeds_have(make_run):
    folder = make_run("erm", alpha=0.0, errors=[5.5, 5.6], done=6)
    (condition,) = group(load(folder))
    epochs, values = condition.curve("test_error")
    np.testing.assert_array_equal(epochs, np.arange(1, 7))
    assert values.shape == (6, 2)


def test_erm_against_mixup_is_a_signed_change_with_an_interval(two_methods):
    (comparison,) = compare(group(load(two_methods)))
    sentence = comparison.sentence()
    for fact in ("mixup, alpha = 1 against ERM", "fashion_mnist", "−1.30 points", "−1.55 to −1.05", "3 seeds"):
        assert fact in sentence
    assert "paper" not in sentence
    assert "includes 0" not in sentence


def test_the_papers_change_stands_where_both_rows_have_its_number(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.5], paper={"test_error": 5.6, "source": "Figure 3"})
    make_run("mixup", alpha=1.0, errors=[4.2], paper={"test_error": 4.2, "source": "Figure 3"})
    (comparison,) = compare(group(load(tmp_path)))
    assert "no interval" in comparison.sentence()
    assert "−1.4 points" in comparison.sentence()


def test_an_interval_around_zero_decides_nothing(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.5, 5.6, 5.7])
    make_run("mixup", alpha=1.0, errors=[5.7, 5.6, 5.55])
    (comparison,) = compare(group(load(tmp_path)))
    assert comparison.p is not None
    assert comparison.p > 0.05
    assert "do not tell the two apart" in comparison.sentence()


def test_several_comparisons_are_corrected(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.5, 5.6, 5.7])
    for alpha in (0.2, 1.0):
        make_run(f"mixup-{alpha}", alpha=alpha, errors=[5.0 - alpha, 5.2 - alpha, 5.15])
    found = compare(group(load(tmp_path)))
    assert [comparison.of for comparison in found] == [2, 2]
    assert [comparison.p for comparison in found] == holm([comparison.change.p for comparison in found])


@pytest.mark.parametrize("change", [{"mark": "REAL"}, {"model": "mlp"}, {"seeds": [8]}, {"config": {"epochs": 3}}])
def test_runs_that_differ_in_more_than_alpha_are_not_compared(make_run, tmp_path, change):
    make_run("erm", alpha=0.0, errors=[5.5])
    make_run("mixup", alpha=1.0, errors=[4.2], **change)
    assert compare(group(load(tmp_path))) == []


def rewrite(folder, edit):
    """Change the content of a folder's config.json."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


METHODS = [
    {"method": method, "partner": partner, "labels": labels, "layer": layer, "per": per}
    for method in ("mixup", "cutmix", "switch")
    for partner in get_args(Mixed.__annotations__["partner"])
    for labels, layer, per in (("mix", "input", "batch"), ("larger", "stage1", "example"))
    if layer == "input" or not partner.endswith("neighbours")  # what could be trained
]


@pytest.mark.parametrize("mixing", METHODS)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_each_method_is_compared_with_what_trained_without_mixing(make_run, tmp_path, mixing, alpha):
    if mixing["method"] == "switch" and not alpha:
        return  # was refused
    make_run("erm", alpha=0.0, errors=[5.5])
    folder = make_run("other", alpha=alpha, errors=[4.2], method="other", params_digest="6f" * 32)
    rewrite(folder, lambda content: content["config"]["mixing"].update(mixing))
    compared = [(each.erm.label, each.mixup.label) for each in compare(group(load(tmp_path)))]
    mixes = mixing["method"] != "mixup" or alpha > 0
    assert compared == [("ERM", "other")] * mixes


def test_cutmix_is_never_the_baseline_though_alpha_is_0_beside_it(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.5])
    make_run("mixup", alpha=1.0, errors=[4.5])
    for name, alpha in (("a", 0.0), ("b", 1.0)):
        run = make_run(name, alpha=alpha, errors=[4.2], method="CutMix", params_digest=6 * name)
        rewrite(run, lambda content: content["config"]["mixing"].update(method="cutmix"))
    assert {each.erm.label for each in compare(group(load(tmp_path)))} == {"ERM"}
    assert len(compare(group(load(tmp_path)))) == 3


def measured(folder):
    """The summaries of the only run by their names."""
    (table,) = result_tables(group(load(folder)))
    return dict(zip(table.columns, table.rows[0].summaries, strict=True))


def test_the_error_without_averaging_is_beside_the_error(make_run, tmp_path):
    folder = make_run("erm", alpha=0.0, errors=[5.5])
    final = json.loads((folder / "result.json").read_text())
    assert not measured(tmp_path)["test_error_raw"].known
    (folder / "result.json").write_text(json.dumps(final | {"test_error_raw": [7.25]}))
    assert str(measured(tmp_path)["test_error_raw"]) == "7.25"


def test_a_run_made_before_a_field_existed_is_compared_with_one_that_has_its_default(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.5, 5.6])
    mixup = make_run("mixup", alpha=1.0, errors=[4.2, 4.3])
    rewrite(mixup, lambda content: content["config"]["mixing"].update(layer="input", alphas=[]))
    rewrite(mixup, lambda content: content["config"].update(optimizer={"ema": 0.0, "decay_epochs": [100, 150]}))
    assert len(compare(group(load(tmp_path)))) == 1
    rewrite(mixup, lambda content: content["config"].update(optimizer={"ema": 0.5}))
    assert compare(group(load(tmp_path))) == []


ORIGINS = {
    "code": {"code": "6f"},
    "versions of packages": {"versions": {"jax": "0.12"}},
    "settings of JAX": {"jax": {"enable_x64": True}},
    "devices": {"device": "gpu"},
}


@pytest.mark.parametrize("words", ORIGINS)
def test_a_comparison_says_what_else_is_different(make_run, tmp_path, words):
    folders = [make_run(f"{alpha}", alpha=alpha, errors=[5.5 - alpha, 5.6]) for alpha in (0.0, 1.0)]
    both = {"code": "5f", "jax": {"enable_x64": False}}
    for folder in folders:
        rewrite(folder, lambda content: content.update(both))
    (comparison,) = compare(group(load(tmp_path)))
    assert "differ" not in comparison.sentence()
    rewrite(folders[1], lambda content: content.update(ORIGINS[words]))
    for name in ("versions", "device"):
        final = json.loads((folders[1] / "result.json").read_text())
        (folders[1] / "result.json").write_text(json.dumps(final | {name: ORIGINS[words].get(name, final[name])}))
    (comparison,) = compare(group(load(tmp_path)))
    assert f"differ in {words} as well" in comparison.sentence()


@pytest.mark.parametrize("change", [{"versions": {"jax": "0.12"}}, {"jax": {"enable_x64": True}}])
def test_seeds_under_other_versions_or_settings_are_a_row_of_their_own(make_run, tmp_path, change):
    make_run("some", alpha=0.0, errors=[5.5, 5.6])
    folder = make_run("others", alpha=0.0, errors=[5.7], seeds=[2])
    assert len(group(load(tmp_path))) == 1
    rewrite(folder, lambda content: content.update(change))
    final = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(final | change))
    assert len(group(load(tmp_path))) == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_error_that_is_not_finite_is_not_called_one_seed(make_run, tmp_path, bad):
    make_run("erm", alpha=0.0, errors=[5.5, 5.6, 5.7])
    make_run("mixup", alpha=1.0, errors=[4.2, bad, 4.3])
    (comparison,) = compare(group(load(tmp_path)))
    assert "the error of a seed is not finite: no interval" in comparison.sentence()


def test_seeds_that_all_change_alike_prove_nothing(make_run, tmp_path):
    make_run("erm", alpha=0.0, errors=[5.1, 6.2, 7.3])
    make_run("mixup", alpha=1.0, errors=[4.0, 5.1, 6.2])
    (comparison,) = compare(group(load(tmp_path)))
    assert "−1.10 points (the same for each of 3 seeds: no spread" in comparison.sentence()
    assert "p =" not in comparison.sentence()


def test_runs_on_different_data_of_one_name_are_not_compared(make_run, tmp_path):
    erm, mixup = make_run("erm", alpha=0.0, errors=[5.5]), make_run("mixup", alpha=1.0, errors=[4.2])
    rewrite(erm, lambda content: content.update(data={"digests": {"test_image": "aa"}}))
    assert len(compare(group(load(tmp_path)))) == 1  # the other does not say
    rewrite(mixup, lambda content: content.update(data={"digests": {"test_image": "bb"}}))
    assert compare(group(load(tmp_path))) == []
