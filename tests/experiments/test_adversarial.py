"""Laws of table 3's experiment: what is counted, who attacks whom, and what is refused."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import adversarial
from experiments.cifar import ERM
from experiments.trained_pairs import load as pairs
from experiments.trained_pairs.presets import RECIPES, Pair
from mixup_jax.config import Config
from mixup_jax.data.sources import load
from mixup_jax.report.tables import find_tables

SETTINGS = {
    "no attack",
    *(f"white box, {name}" for name in adversarial.ATTACKS),
    *(f"black box, {name}" for name in adversarial.BLACK_BOX),
}


@pytest.mark.slow
def test_the_smoke_run_counts_errors_of_each_setting_and_seed(trained_pair, tmp_path):
    adversarial.main(replace(trained_pair, workdir=tmp_path, smoke=True), epsilon=32.0)
    content = json.loads((tmp_path / "adversarial.json").read_text())
    errors = content["errors"]
    assert content["images"] == 50
    assert set(errors) == SETTINGS
    erm = pairs.load_network(trained_pair.erm[0], None)
    values = {setting: np.array(errors[setting][erm.name]) for setting in SETTINGS}
    assert all(value.shape == (3, 2) and (value[:, 0] >= value[:, 1]).all() for value in values.values())
    rows = np.random.RandomState(0).permutation(erm.data.test_count)[:50]
    pixels = jnp.asarray(erm.data.test_image[rows], jnp.float32)
    predicted = np.argmax(erm.trained.logits(erm.trained.of_seed(2), pixels), axis=1)
    assert values["no attack"][2, 0] == pytest.approx(100 * np.mean(predicted != erm.data.test_label[rows]))
    mean = {setting: value[:, 0].mean() for setting, value in values.items()}
    ((_, table),), _ = find_tables([tmp_path])
    assert [row.group for row in table.rows[::2]] == list(errors)
    assert [row.label for row in table.rows[:2]] == ["ERM", "mixup, alpha = 1"]
    assert all(row.values == tuple(map(tuple, values[row.group].T.tolist())) for row in table.rows[::2])
    assert not any(any(row.paper) for row in table.rows)  # the paper has no numbers at epsilon 32
    ours = adversarial.table(errors, (erm, pairs.load_network(trained_pair.mixup[0], None)), 4.0, 50)
    fast = {row.label: row.paper for row in ours.rows if row.group == "white box, FGSM"}
    assert fast == {"ERM": (90.7, 63.1), "mixup, alpha = 1": (75.2, 49.1)}
    assert ours.title.endswith(", a protocol check")
    assert "50 test images" in table.text
    assert mean["no attack"] < mean["black box, FGSM"] < mean["white box, FGSM"]


@pytest.mark.exhaustive  # minutes of compiling
def test_resnet_101s_path_attacks_photographs_with_another_runs_network(tmp_path):
    adversarial.main(Pair("resnet101", smoke=True, workdir=tmp_path), epsilon=64.0, images=7)
    content = json.loads((tmp_path / "adversarial.json").read_text())
    assert {name: len(runs) for name, runs in content["runs"].items()} == {"ERM": 2, "mixup, alpha = 0.2": 1}
    errors = content["errors"]
    assert set(errors) == SETTINGS
    shares = np.array([errors[setting][name] for setting in SETTINGS for name in content["runs"]])
    assert shares.shape == (len(SETTINGS) * 2, 1, 2)
    np.testing.assert_allclose(shares * 7 / 100, np.round(shares * 7 / 100), atol=1e-9)
    with pytest.raises(ValueError, match="seeds 0, 0"):
        pairs.load_seeds([tmp_path / "erm"] * 2, tmp_path / "data")
    with pytest.raises(ValueError, match=r"are not seeds of one recipe \(mixing.name erm and mixup\)"):
        pairs.load_seeds([tmp_path / "erm", tmp_path / "mixup"], tmp_path / "data")
    network = pairs.load_seeds([tmp_path / "erm", tmp_path / "erm-1"], tmp_path / "data")
    pixels, label = adversarial.take(network.data, np.array([3, 1, 2]))
    assert [int(each) for each in label] == [int(network.data.test_example(row)["label"]) for row in (3, 1, 2)]
    for index, folder in enumerate(("erm", "erm-1")):
        alone = pairs.load_network(tmp_path / folder, tmp_path / "data").trained
        own = network.trained.logits(network.trained.of_seed(index), pixels)
        np.testing.assert_array_equal(own, alone.logits(alone.of_seed(0), pixels))


def test_presets_of_pairs_differ_in_mixing_and_seed_alone():
    for preset, recipes in RECIPES.items():
        configs = [recipe.config(Pair(preset)) for recipe in recipes]
        assert {replace(config, mixing=ERM, seed=0) for config in configs} == {replace(configs[0], mixing=ERM)}
        assert sum(config.seeds for config in configs if config.mixing == ERM) > 1
        assert configs[-1].mixing.alphas[0] > 0


@pytest.mark.parametrize("options", [{"epsilon": 255.5}, {"images": 0}, {"batch_size": 0}])
def test_numbers_out_of_range_are_refused_before_anything_is_trained(options, tmp_path):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name} must be .*got {value}"):
        adversarial.main(Pair(workdir=tmp_path), **options)


@pytest.mark.slow
def test_one_seed_of_erm_is_attacked_in_the_white_box_alone(trained_pair):
    erm, mixup = (pairs.load_network(folders[0], None) for folders in (trained_pair.erm, trained_pair.mixup))
    alone = adversarial.measure(replace(erm, seeds=erm.seeds[:1]), mixup, 4.0, 10)
    together = adversarial.measure(erm, mixup, 4.0, 10)
    white = {setting for setting in SETTINGS if "black" not in setting}
    assert alone == {
        setting: {name: errors[:1] for name, errors in together[setting].items()}
        for setting in together
        if setting in white
    }
    assert set(alone) == white


def test_where_more_images_are_asked_for_than_there_are_errors_are_shares_of_those_that_are():
    class Zero:
        def of_seed(self, seed):
            return jnp.zeros(())

        def logits(self, state, pixels):
            return jnp.zeros((len(pixels), 10)).at[:, 0].set(1 + 0 * pixels.sum((1, 2, 3)))

    data = load("digits")
    network = pairs.Network("ERM", Config(), data.identity(), Zero(), (0,), (), lambda: data)
    errors = adversarial.measure(network, replace(network, name="mixup"), 4.0, 1000)
    assert len(data.test_label) < 1000
    assert errors["no attack"]["ERM"][0][0] == pytest.approx(100 * np.mean(data.test_label != 0))


def test_what_an_attack_makes_of_nan_is_no_right_answer():
    class Broken:
        def logits(self, state, pixels):
            return jnp.full((2, 10), jnp.nan)

    network = pairs.Network("", Config(), load("digits").identity(), Broken(), (0,), (), lambda: load("digits"))
    assert adversarial.wrong(network, None, jnp.zeros(2), jnp.array([0, 1])).tolist() == [2, 2]
