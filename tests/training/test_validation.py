"""Laws of the validation set: the best network is chosen on it, never on the test set, in memory and streamed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_runs import DATA, MLP, changed

from experiments.imagenet.archives import photograph
from mixup_jax.data.held_out import hold_out
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.runtime.checkpoint import open_checkpoints
from mixup_jax.runtime.launch import Launch
from mixup_jax.training import loop
from mixup_jax.training.loop import fit
from mixup_jax.training.measurements import summary

PHOTOGRAPHS = [Photograph(f"{n}.JPEG", n % 3, photograph(n % 3, n)) for n in range(50)]
CONSTANTS = ((0.5,) * 3, (0.2,) * 3)
STREAM = StreamedDataset("some", "SYNTHETIC", tuple("abc"), PHOTOGRAPHS[:40], PHOTOGRAPHS[40:], *CONSTANTS, size=8)
CONFIG = changed(MLP, epochs=5.0, eval_every=1.0, seeds=2)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.thorough
def test_each_evaluation_measures_the_validation_error_and_the_best_is_chosen_by_it(tmp_path, monkeypatch):
    saved = []
    original = loop.Run.evaluate
    monkeypatch.setattr(loop.Run, "evaluate", lambda *given: saved.append(original(*given)) or saved[-1])
    held = hold_out(DATA, 12)
    result = fit(CONFIG, held, Launch(), tmp_path)
    records = lines(tmp_path)
    assert [error for _, error, _ in saved] == [np.mean(line["valid_error"]) for line in records]  # the checkpoints'
    for seed in range(2):
        valid, test = ([line[name][seed] for line in records] for name in ("valid_error", "test_error"))
        assert result["test_error"]["best"][seed] == test[int(np.argmin(valid))]
    assert result["valid_error"] == records[-1]["valid_error"]
    with open_checkpoints(tmp_path / "checkpoints", 1) as checkpoints:
        assert checkpoints.steps()[0] == records[-1]["step"]


@pytest.mark.thorough
@pytest.mark.parametrize("data", [DATA, STREAM], ids=["in memory", "streamed"])
def test_what_is_measured_on_the_validation_set_is_what_a_test_on_it_measures(tmp_path, data):
    held = hold_out(data, 12)
    if data is STREAM:
        config = changed(CONFIG, seeds=1, pad_crop=0, dataset="imagenet", image_size=8, epochs=2.0)
        swapped = replace(held, test=held.valid, valid=None)
    else:
        config = changed(CONFIG, seeds=1)
        swapped = replace(held, test_image=held.valid_image, test_label=held.valid_label)
        swapped = replace(swapped, valid_image=None, valid_label=None)
    for folder, each in (("held", held), ("swapped", swapped)):
        (tmp_path / folder).mkdir()
        fit(config, each, Launch(), tmp_path / folder)
    errors = [line["valid_error"] for line in lines(tmp_path / "held")]
    assert errors == [line["test_error"] for line in lines(tmp_path / "swapped")]


def test_the_lowest_test_error_is_not_the_best_where_there_is_a_validation_set():
    records = [
        {"epoch": epoch, "test_error": [test], "train_subset_error": [0.0], "seconds": 1.0, "valid_error": [valid]}
        for epoch, test, valid in ((1.0, 5.0, 9.0), (2.0, 7.0, 3.0), (3.0, 6.0, 3.0))
    ]
    sums = {name: np.ones((1, 15)) for name in ("bin_count", "bin_confidence", "bin_correct")}
    assert best(records, sums) == [7.0]  # the first of equal ones
    assert best([{name: line[name] for name in line if name != "valid_error"} for line in records], sums) == [5.0]


def best(records, sums):
    return summary(records, 3.0, sums)["test_error"]["best"]
