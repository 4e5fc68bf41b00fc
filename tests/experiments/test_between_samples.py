"""Laws of figure 2's experiment: pairs are the same for every network, runs are compared on the same data only."""

import functools
import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import between_samples
from experiments.cifar import SMALL
from experiments.commands.errors import call
from experiments.report import main
from experiments.trained_pairs import load as pairs
from experiments.trained_pairs.presets import Pair, train_pair
from mixup_jax.data.sources import load
from mixup_jax.evaluation.between import gradient_norms
from mixup_jax.report.tables import find_tables
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.claim import read_config
from mixup_jax.runtime.provenance import describe


@pytest.mark.slow
def test_the_smoke_run_writes_curves_that_start_and_end_at_training_examples(trained_pair, tmp_path):
    between_samples.main(replace(trained_pair, workdir=tmp_path, smoke=True))
    content = json.loads((tmp_path / "between.json").read_text())
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"miss.png", "gradient_norm.png"}
    assert len(content["lam"]) == 21
    network = pairs.load_network(trained_pair.mixup[0], None)
    curves = {key: np.array(value) for key, value in content["curves"][network.name].items()}
    assert all(curve.shape == (network.config.seeds, 21) and np.isfinite(curve).all() for curve in curves.values())
    (first, second), data = between_samples.draw_pairs(len(network.data.train_label), 50), network.data
    for end, rows in ((0, second), (-1, first)):
        logits = network.trained.logits(network.trained.of_seed(1), jnp.asarray(data.train_image[rows], jnp.float32))
        predicted = np.argmax(logits, axis=1)
        missed = (predicted != data.train_label[first]) & (predicted != data.train_label[second])
        assert curves["miss"][1, end] == pytest.approx(100 * missed.mean())

    ((found, table),) = find_tables([tmp_path])[0]
    assert found == tmp_path
    assert [row.label for row in table.rows] == ["ERM", network.name]
    norm, margin = (curves[key].mean(axis=1) for key in ("gradient_norm", "margin"))
    means = curves["miss"].mean(axis=1), curves["miss"][:, 10], norm, norm / margin
    np.testing.assert_allclose(table.rows[1].values, means, rtol=1e-5)
    main((tmp_path, *trained_pair.erm, *trained_pair.mixup), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert all(words in page for words in (table.title, ">Calibration</h2>", ">Learning curves</h2>"))


@pytest.mark.slow
def test_gradients_are_those_by_the_image_in_0_to_1(trained_pair):
    network = pairs.load_network(trained_pair.erm[0], None)
    data, state = network.data, network.trained.of_seed(0)
    images, labels = jnp.asarray(data.train_image[:3]), jnp.asarray(data.train_label[:3])
    examples = images, labels
    _, norms, margins = between_samples.at_points(network, "max_logit", state, examples, examples, jnp.ones(()))

    def logits_fn(x):
        return network.trained.logits(state, 255 * x)

    x = images.astype(jnp.float32) / 255
    expected = gradient_norms(logits_fn, x, jax.nn.one_hot(labels, len(data.classes)))
    np.testing.assert_allclose(norms, expected, rtol=1e-4)
    second, first = np.sort(logits_fn(x), axis=1)[:, -2:].T
    np.testing.assert_allclose(margins, first - second, rtol=1e-4, atol=1e-4)


def change(folder, part, **fields):
    """Change fields of a run's configuration; return its folder."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    content["config"][part] |= fields
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.slow
def test_pairs_of_different_data_or_networks_and_checkpoints_that_do_not_fit_are_refused(trained_pair, tmp_path, capfd):
    other = change(shutil.copytree(trained_pair.mixup[0], tmp_path / "data"), "data", train_examples=500)
    with pytest.raises(ValueError, match=r"trained on digits.* and .* compare runs on the same data"):
        pairs.load_pair(trained_pair.erm, [other], None)
    other = change(shutil.copytree(trained_pair.mixup[0], tmp_path / "network"), "model", width=4)
    with pytest.raises(ValueError, match=r"not the same network \(width 8 and 4\)"):
        pairs.load_pair(trained_pair.erm, [other], None)
    with pytest.raises(ValueError, match=r"no checkpoint that fits .*preact_resnet on digits.* has the shape \(3, "):
        pairs.load_network(other, None)
    assert "coroutine" not in capfd.readouterr().err  # of arrays that Orbax had begun to read
    shutil.rmtree(other / "checkpoints")
    with pytest.raises(ValueError, match="checkpoints does not exist; was the run started with --checkpoints"):
        pairs.load_network(other, None)
    with pytest.raises(ValueError, match="--erm must be a run of ERM"):
        pairs.load_pair(trained_pair.mixup, trained_pair.erm, None)


def test_pairs_are_of_different_examples_and_always_the_same():
    first, second = between_samples.draw_pairs(7, 2000)
    assert (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(7))
    np.testing.assert_array_equal(first, between_samples.draw_pairs(7, 2000)[0])


def test_a_configuration_is_read_as_it_was_written(tmp_path):
    write_json(tmp_path / "config.json", describe(SMALL, "cifar", "small-mixup", load("digits").identity()))
    assert read_config(tmp_path) == SMALL


@pytest.mark.parametrize(
    ("options", "message"),
    {
        "one alone": ({"erm": (".",)}, "--erm and --mixup"),
        "epochs": ({"erm": (".",), "mixup": (".",), "epochs": 2.0}, "--epochs .* already trained"),
        "data": ({"erm": (".",), "mixup": (".",), "dataset": "cifar10"}, "--dataset .* already trained"),
        "checkpoints": ({"checkpoints": "somewhere"}, "--checkpoints needs --erm"),
        "photographs": ({"preset": "resnet101", "dataset": "cifar10"}, "resnet101 is trained on imagenet"),
    }.values(),
)
def test_options_that_have_no_influence_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Pair(**options)


def test_no_epochs_are_refused_and_not_replaced_by_the_presets(tmp_path):
    with pytest.raises(ValueError, match=r"epochs must be .*got 0"):
        train_pair("test", Pair(epochs=0.0, workdir=tmp_path))


def test_each_preset_and_data_set_has_a_folder_of_its_own():
    pairs = [
        Pair(),
        Pair(dataset="cifar10"),
        Pair("preact18"),
        Pair(smoke=True),
        Pair(erm=(Path("a"),), mixup=(Path("b"),)),
    ]
    folders = [pair.folder("x").as_posix() for pair in pairs]
    assert folders == [
        "runs/x/small-fashion_mnist",
        "runs/x/small-cifar10",
        "runs/x/preact18-cifar10",
        "runs/x/small-fashion_mnist-smoke",
        "runs/x/a-b",
    ]


def test_folders_that_are_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not the folder of a run"):
        between_samples.main(Pair(erm=(tmp_path,), mixup=(tmp_path,)))
    with pytest.raises(ValueError, match=r"pairs must be at least 1 .*, got 0"):
        between_samples.main(Pair(), pairs=0)
    with pytest.raises(ValueError, match=r"resnet101 .* training images in memory"):
        between_samples.main(Pair("resnet101"))


@pytest.mark.parametrize("experiment", ["adversarial", "between_samples"])
def test_the_command_line_takes_a_preset_and_several_runs(experiment, monkeypatch):
    main, seen = importlib.import_module(f"experiments.{experiment}").main, []
    taking = functools.wraps(main)(lambda **options: seen.append(options["pair"]))
    for words in (["preact18", "--smoke"], ["--erm", "a", "b", "--mixup", "c"]):
        monkeypatch.setattr("sys.argv", ["x", *words])
        call(taking, prog="x")
    assert seen == [Pair("preact18", smoke=True), Pair(erm=(Path("a"), Path("b")), mixup=(Path("c"),))]
