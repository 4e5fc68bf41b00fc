"""Laws of table 1's command: the paper's number stands beside the paper's recipe only, and the smoke run works."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.commands.command_line import parse
from experiments.imagenet import __main__ as imagenet
from experiments.imagenet.presets import PRESETS, TABLE_1, ImageNet, paper
from mixup_jax.choices import Data
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.data.sources import prepare

ROOT = Path(__file__).parents[2]
JOBS = {name: (text, ImageNet(config)) for name, (text, config) in PRESETS.items()}


@pytest.mark.parametrize("name", TABLE_1)
def test_a_preset_carries_its_number_and_a_changed_one_does_not(name):
    _, job = parse("imagenet", "", JOBS, imagenet.DEFAULT, [name, "--seed", "3"])
    theirs = paper(job.config)
    assert theirs is not None
    assert theirs["test_error"] == TABLE_1[name].top1
    top1, _, top5 = theirs["source"].partition("; top-5 ")
    assert ("unconfirmed" in top1) == (not TABLE_1[name].confirmed)
    assert top5 == (f"{TABLE_1[name].top5}, unconfirmed" if TABLE_1[name].top5 else "")
    assert paper(replace(job.config, batch_size=512)) is None


def test_a_smoke_run_keeps_the_method():
    for _, job in JOBS.values():
        small = replace(job, smoke=True).effective()
        assert small.mixing.alphas == job.config.mixing.alphas
        assert small.data.dataset == "imagenet"


def test_options_that_would_do_nothing_are_refused():
    photographs = [Photograph("a.JPEG", 0, b"")]
    streamed = StreamedDataset("imagenet", "SYNTHETIC", ("a",), photographs, photographs, (0.5,) * 3, (0.2,) * 3)
    with pytest.raises(ValueError, match="--pad-crop 0"):
        prepare(streamed, Data("imagenet", pad_crop=4))
    assert prepare(streamed, Data("imagenet", pad_crop=0, image_size=32))[0].image_shape == (32, 32, 3)


@pytest.mark.slow
def test_the_smoke_run_goes_from_archives_to_a_result(tmp_path):
    command = [sys.executable, "-m", "experiments.imagenet", "--smoke", "--workdir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "imagenet: SYNTHETIC" in [line.split(",")[0] for line in done.stderr.splitlines()]
    assert "mixup, alpha = 0.2" in done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["dataset"], result["mark"], result["paper"]) == ("imagenet, 32 pixels, a part", "SYNTHETIC", None)
    assert sum(result["reliability"]["count"][0]) == 20
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png"}
