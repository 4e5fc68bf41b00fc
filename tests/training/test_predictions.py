"""Laws of the predictions that a run keeps: they are those its result counts, however it was computed."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from test_stream import CONFIG as STREAMED
from test_stream import InMemory
from tiny_runs import DATA, MLP, changed

from mixup_jax.data.dataset import Dataset
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.evaluation.predictions import joined
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.run_folder import PREDICTIONS, read_predictions, write_predictions
from mixup_jax.training.loop import Run, fit, predict_again

CONFIG = changed(MLP, epochs=3.0, seeds=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two seeds: its folder and its result."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fit(CONFIG, DATA, Launch(), folder)


def kept(folder, networks, classes=3):
    found = read_predictions(folder, networks, classes)
    assert found is not None
    return found


@pytest.mark.thorough
def test_what_is_kept_gives_the_numbers_of_the_result(whole):
    folder, result = whole
    found = kept(folder, networks=2)
    np.testing.assert_array_equal(found.label, DATA.test_label)
    assert found.errors().tolist() == result["test_error"]["last"]
    np.testing.assert_allclose(found.loss.mean(axis=1), result["test_loss"], rtol=1e-5)
    bins = {name: np.array(values) for name, values in result["reliability"].items()}
    confidence = (bins["count"] * bins["confidence"]).sum(axis=1) / bins["count"].sum(axis=1)
    np.testing.assert_allclose(found.confidence.mean(axis=1), confidence, rtol=1e-5)


@pytest.mark.thorough
def test_predictions_that_were_lost_are_the_same_again_from_the_last_checkpoint(whole, tmp_path):
    folder, _ = whole
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert len(before) == 2
    (folder / PREDICTIONS).unlink()
    predict_again(CONFIG, DATA, Launch(), folder)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    predict_again(CONFIG, DATA, Launch(), tmp_path)  # a finished run whose checkpoints are gone
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_one_and_eight_devices_say_the_same():
    found = []
    for devices in (1, 8):
        run = Run(CONFIG, DATA, Path("unused"), devices=jax.devices()[:devices])
        answers = [run.programs.predict(run.start()[0], part) for part in run.test.parts()]
        found.append(joined(answers, DATA.test_count))
    np.testing.assert_array_equal(found[0].label, found[1].label)
    np.testing.assert_array_equal(found[0].predicted, found[1].predicted)
    np.testing.assert_allclose(found[0].loss, found[1].loss, rtol=1e-4)


@pytest.mark.thorough
def test_streamed_photographs_are_predicted_as_in_memory(tmp_path):
    streamed = StreamedDataset(
        "some", "SYNTHETIC", ("a", "b", "c"), InMemory(0, 40), InMemory(50, 21), (0.5,) * 3, (0.2,) * 3, size=8
    )
    examples = [streamed.test_example(index) for index in range(21)]
    image = np.stack([each["image"] for each in examples])
    label = np.array([each["label"] for each in examples], np.int32)
    memory = Dataset("some", "SYNTHETIC", ("a", "b", "c"), image, label, image, label, (0.5,) * 3, (0.2,) * 3)
    found = []
    for data in (streamed, memory):
        run = Run(replace(STREAMED, epochs=1.0), data, tmp_path)
        answers = [run.programs.predict(run.start()[0], part) for part in run.test.parts()]
        assert len(answers) == (2 if data.streamed else 1)
        found.append(joined(answers, data.test_count))
    for name, value in vars(found[0]).items():
        np.testing.assert_allclose(value, getattr(found[1], name), rtol=1e-6, err_msg=name)


def save(path, found, **changes):
    np.savez(path, **(vars(found) | changes))


DAMAGED = {
    "no archive": lambda path, found: path.write_bytes(b"PK"),
    "another network": lambda path, found: write_predictions(path.parent, found.of(slice(0, 1))),
    "a class too many": lambda path, found: save(path, found, label=found.label + 1),
    "a class below 0": lambda path, found: save(path, found, predicted=found.predicted - 1),
    "another dtype": lambda path, found: save(path, found, loss=found.loss.astype(np.float64)),
    "one more": lambda path, found: save(path, found, more=found.loss),
    "no example": lambda path, found: save(path, found, **{name: each[..., :0] for name, each in vars(found).items()}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_does_not_fit_is_refused_by_name(whole, tmp_path, damage):
    DAMAGED[damage](tmp_path / PREDICTIONS, kept(whole[0], networks=2))
    with pytest.raises(ValueError, match=PREDICTIONS):
        read_predictions(tmp_path, 2, 3)


def test_no_file_is_no_predictions(tmp_path):
    assert read_predictions(tmp_path, 2, 3) is None
