"""Laws of table 3's experiment: what is counted, who attacks whom, and what is refused."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import adversarial, pairs
from experiments.cifar import ERM
from experiments.pair_presets import PAIRS
from mixup_jax.report.tables import find_tables

SETTINGS = {
    "no attack",
    *(f"white box, {name}" for name in adversarial.ATTACKS),
    *(f"black box, {name}" for name in adversarial.BLACK_BOX),
}


@pytest.mark.slow
def test_the_smoke_run_counts_errors_of_each_setting_and_seed(trained_pair, tmp_path):
    adversarial.main("small", *trained_pair, smoke=True, workdir=tmp_path, epsilon=32.0)
    content = json.loads((tmp_path / "adversarial.json").read_text())
    errors = content["errors"]
    assert content["images"] == 50
    assert set(errors) == SETTINGS
    erm = pairs.load_network(trained_pair[0][0], None)
    values = {setting: np.array(errors[setting][erm.name]) for setting in SETTINGS}
    assert all(value.shape == (3, 2) and (value[:, 0] >= value[:, 1]).all() for value in values.values())
    pixels = jnp.asarray(erm.data.test_image[:50], jnp.float32)
    predicted = np.argmax(erm.trained.logits(erm.trained.of_seed(2), pixels), axis=1)
    assert values["no attack"][2, 0] == pytest.approx(100 * np.mean(predicted != erm.data.test_label[:50]))
    mean = {setting: value[:, 0].mean() for setting, value in values.items()}
    ((_, table),), _ = find_tables([tmp_path])
    assert [row.group for row in table.rows[::2]] == list(errors)
    assert [row.label for row in table.rows[:2]] == ["ERM", "mixup, alpha = 1"]
    assert all(row.values == tuple(map(tuple, values[row.group].T.tolist())) for row in table.rows[::2])
    fast = {row.label: row.paper for row in table.rows if row.group == "white box, FGSM"}
    assert fast == {"ERM": (90.7, 63.1), "mixup, alpha = 1": (75.2, 49.1)}
    assert "50 test images" in table.text
    assert mean["no attack"] < mean["black box, FGSM"] < mean["white box, FGSM"]


@pytest.mark.slow
def test_resnet_101s_path_attacks_photographs_with_another_runs_network(tmp_path):
    adversarial.main("resnet101", smoke=True, workdir=tmp_path, epsilon=64.0, images=7)
    content = json.loads((tmp_path / "adversarial.json").read_text())
    assert content["runs"] == {
        "ERM": [str(tmp_path / name) for name in ("erm", "erm-1")],
        "mixup, alpha = 0.2": [str(tmp_path / "mixup")],
    }
    errors = content["errors"]
    assert set(errors) == SETTINGS
    shares = np.array([errors[setting][name] for setting in SETTINGS for name in content["runs"]])
    assert shares.shape == (len(SETTINGS) * 2, 1, 2)
    np.testing.assert_allclose(shares * 7 / 100, np.round(shares * 7 / 100), atol=1e-9)
    with pytest.raises(ValueError, match="have seeds 0, 0; give each seed once"):
        pairs.load_seeds([tmp_path / "erm"] * 2, tmp_path / "data")
    with pytest.raises(ValueError, match="are not seeds of one recipe"):
        pairs.load_seeds([tmp_path / "erm", tmp_path / "mixup"], tmp_path / "data")
    network = pairs.load_seeds([tmp_path / "erm", tmp_path / "erm-1"], tmp_path / "data")
    pixels, label = adversarial.take(network.data, range(1, 4))
    assert [int(each) for each in label] == [int(network.data.test_example(row)["label"]) for row in (1, 2, 3)]
    for index, folder in enumerate(("erm", "erm-1")):
        alone = pairs.load_network(tmp_path / folder, tmp_path / "data").trained
        own = network.trained.logits(network.trained.of_seed(index), pixels)
        np.testing.assert_array_equal(own, alone.logits(alone.of_seed(0), pixels))


def test_other_data_than_imagenet_is_refused_for_resnet_101(tmp_path):
    with pytest.raises(ValueError, match="dataset is cifar10; resnet101 is trained on imagenet"):
        adversarial.main("resnet101", dataset="cifar10", workdir=tmp_path)


def test_presets_of_pairs_differ_in_mixing_and_seed_alone():
    for recipes in PAIRS.values():
        configs = [recipe.config(None, None) for recipe in recipes]
        assert {replace(config, mixing=ERM, seed=0) for config in configs} == {replace(configs[0], mixing=ERM)}
        assert sum(config.seeds for config in configs if config.mixing.alpha == 0) > 1
        assert configs[-1].mixing.alpha > 0


@pytest.mark.slow
def test_what_is_refused(trained_pair, tmp_path):
    for options, message in (
        ({"epsilon": -1.0}, "epsilon must be between 0 and 255, .*got -1.0"),
        ({"epsilon": float("nan")}, "epsilon must be between 0 and 255"),
        ({"images": 0}, "images must be at least 1, got 0"),
        ({"erm": (tmp_path,)}, "give both or none"),
    ):
        with pytest.raises(ValueError, match=message):
            adversarial.main(workdir=tmp_path, **options)
    network = pairs.load_network(trained_pair[0][0], None)
    alone = replace(network, seeds=(0,))
    with pytest.raises(ValueError, match="one seed, and the black box needs another"):
        adversarial.measure(alone, network, 4.0, 10)
