"""Laws of table 3's experiment: what is counted, who attacks whom, and what is refused."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import adversarial, pairs
from mixup_jax.report.tables import find_tables

SETTINGS = {
    "no attack",
    *(f"white box, {name}" for name in adversarial.ATTACKS),
    *(f"black box, {name}" for name in adversarial.BLACK_BOX),
}


@pytest.mark.slow
def test_the_smoke_run_counts_errors_of_each_setting_and_seed(trained_pair, tmp_path):
    adversarial.main(*trained_pair, smoke=True, workdir=tmp_path, epsilon=32.0)
    content = json.loads((tmp_path / "adversarial.json").read_text())
    errors = content["errors"]
    assert content["images"] == 50
    assert set(errors) == SETTINGS
    erm = pairs.load_network(trained_pair[0], None)
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
def test_what_is_refused(trained_pair, tmp_path):
    for options, message in (
        ({"epsilon": -1.0}, "epsilon must be between 0 and 255, .*got -1.0"),
        ({"epsilon": float("nan")}, "epsilon must be between 0 and 255"),
        ({"images": 0}, "images must be at least 1, got 0"),
        ({"erm": tmp_path}, "give both or none"),
    ):
        with pytest.raises(ValueError, match=message):
            adversarial.main(workdir=tmp_path, **options)
    network = pairs.load_network(trained_pair[0], None)
    alone = replace(network, config=replace(network.config, seeds=1))
    with pytest.raises(ValueError, match="one seed, and the black box needs another"):
        adversarial.measure(alone, network, 4.0, 10)
