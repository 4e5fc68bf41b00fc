"""Laws of a job's settings: what changes the numbers changes the folder, and what does not, does not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.commands.settings import settings, settings_folder
from experiments.gan import __main__ as gan
from experiments.tabular import __main__ as tabular


def folder(experiment, preset, **options):
    job = replace(experiment.PRESETS[preset][1], **options)
    return settings_folder("x", preset, job, experiment.PRESETS).as_posix()


def test_each_job_has_a_folder_of_its_own():
    jobs = [
        (gan, "small-demo", {}),
        (gan, "small-demo", {"smoke": True}),
        (gan, "small-demo", {"distributions": ("ring",)}),
        (gan, "small-demo", {"distributions": ("grid",)}),
        (gan, "small-demo", {"objective": "paper"}),
        (gan, "small-demo", {"alphas": (0.2, 0.5)}),
        (tabular, "paper", {}),
        (tabular, "paper", {"datasets": ("iris",)}),
        (tabular, "paper", {"csv": Path("there/iris.csv"), "target": "kind"}),
        (tabular, "paper", {"epochs": 50.0}),
    ]
    folders = [folder(experiment, preset, **options) for experiment, preset, options in jobs]
    assert len(set(folders)) == len(jobs)
    assert folders[2] == "runs/x/small-demo-distributions-ring"
    assert folders[8] == "runs/x/paper-csv-iris-target-kind"


@pytest.mark.parametrize("experiment", [gan, tabular])
def test_settings_are_all_that_changes_the_numbers_and_plain_json(experiment):
    for _, job in experiment.PRESETS.values():
        found = settings(replace(job, workdir=Path("elsewhere"), smoke=True))
        assert found == settings(job) == json.loads(json.dumps(found))
        assert set(vars(job)) - set(found) <= {"workdir", "data_dir", "smoke"}


def test_where_the_data_are_does_not_change_the_folder():
    assert folder(tabular, "extended", data_dir=Path("data")) == folder(tabular, "extended") == "runs/x/extended"
