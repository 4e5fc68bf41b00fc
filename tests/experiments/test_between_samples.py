"""Laws of figure 2's experiment: pairs are the same for every network, runs are compared on the same data only."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import between_samples, pairs
from experiments.cifar import SMALL
from mixup_jax.training import record


@pytest.mark.slow
def test_the_smoke_run_writes_curves_that_start_and_end_at_training_examples(trained_pair, tmp_path):
    between_samples.main(*trained_pair, smoke=True, workdir=tmp_path)
    content = json.loads((tmp_path / "between.json").read_text())
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"miss.png", "gradient_norm.png"}
    assert len(content["lam"]) == 21
    network = pairs.load_network(trained_pair[1], None)
    curves = {key: np.array(value) for key, value in content["curves"][network.name].items()}
    assert all(curve.shape == (network.config.seeds, 21) and np.isfinite(curve).all() for curve in curves.values())
    (first, second), data = between_samples.draw_pairs(len(network.data.train_label), 50), network.data
    for end, rows in ((0, second), (-1, first)):
        logits = network.trained.logits(network.trained.of_seed(1), jnp.asarray(data.train_image[rows], jnp.float32))
        predicted = np.argmax(logits, axis=1)
        missed = (predicted != data.train_label[first]) & (predicted != data.train_label[second])
        assert curves["miss"][1, end] == pytest.approx(100 * missed.mean())

    other = shutil.copytree(trained_pair[1], tmp_path / "other")
    path = other / "config.json"
    changed = json.loads(path.read_text())
    changed["config"]["data"]["train_examples"] = 500
    path.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"trained on digits.* and .* compare runs on the same data"):
        pairs.load_pair(trained_pair[0], other, None)


def test_pairs_are_of_different_examples_and_always_the_same():
    first, second = between_samples.draw_pairs(7, 2000)
    assert (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(7))
    np.testing.assert_array_equal(first, between_samples.draw_pairs(7, 2000)[0])


def test_a_configuration_is_read_as_it_was_written(tmp_path):
    record.write_json(tmp_path / "config.json", record.describe(SMALL, "cifar", "small-mixup"))
    assert record.read_config(tmp_path) == SMALL


def test_one_run_alone_and_folders_that_are_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="give both or none"):
        between_samples.main(erm=tmp_path)
    with pytest.raises(ValueError, match="is not the folder of a run"):
        between_samples.main(erm=tmp_path, mixup=tmp_path)
    with pytest.raises(ValueError, match="pairs must be at least 1, got 0"):
        between_samples.main(pairs=0)
