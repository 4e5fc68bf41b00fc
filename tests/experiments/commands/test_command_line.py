"""Laws of the command line: it trains, stops, resumes, and answers bad input with one line."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import __main__ as listing
from experiments import cifar
from experiments.commands import command_line
from experiments.commands.errors import one_line_errors
from experiments.commands.running import Job
from mixup_jax.data.dataset import Dataset
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.state import init_state

ROOT = Path(__file__).parents[3]
FILES = {"config.json", "metrics.jsonl", "result.json", "checkpoints", "figures", "predictions.npz"}
JOBS = {name: (text, Job(config)) for name, (text, config) in cifar.PRESETS.items()}
SAID = re.compile(r"digits: REAL, 1,442 training, 355 test examples of 8 x 8 x 1; 10 classes: 0, ")
TINY = ["--dataset", "digits", "--width", "4", "--blocks", "1", "--train-examples", "128", "--batch-size", "32"]


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run `python -m experiments.cifar` in this process; return its exit status and the lines of its stderr.

    Without the line that says what the data hold, which comes before everything that is wrong with them.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command_line, "join", lambda *_: None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command line sets its own
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["cifar.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            command_line.run_presets("cifar", cifar.__doc__, cifar.PRESETS, default="small-mixup", paper=cifar.paper)
        return left.value.code, [line for line in capsys.readouterr().err.splitlines() if not SAID.match(line)]

    return call


BAD_INPUT = {
    "preset": (["preact18-mixupp"], "preset 'preact18-mixupp' is not one of .* did you mean preact18-mixup?"),
    "one number of two": (["--phase-out", "0.5"], "--phase-out needs 2 values, got 1"),
    "phase out backwards": (["--phase-out", "0.9", "0.5"], "phase_out must be two numbers 0 <= start <= end"),
    "half ERM": (["--method", "switch", "--alpha", "0"], "alpha must be .*got 0"),
    "late preset": (["--alpha", "1", "small-erm"], "the preset comes first: small-erm --option"),
    "dataset": (["--dataset", "cifar11"], "dataset is 'cifar11'; it must be one of .* did you mean cifar10?"),
    "dataset of a smoke run": (["--smoke", "--dataset", "cifar11"], "dataset is 'cifar11'; it must be one of"),
    "option": (["--alpah", "1"], "alpah"),
    "choice": (["--partner", "best"], "partner.*permutation"),
    "partner of many": (["--method", "dirichlet", "--partner", "roll"], "partner.*permutation.*derangement"),
    "number": (["--alpha", "much"], "alpha"),
    "negative alpha": (["--alpha", "-1"], "alpha must be .*, got -1"),
    "alpha nan": (["--alpha", "nan"], "alpha must be .*, got nan"),
    "block": (["--block", "3"], "block must divide the batch of 128, got 3"),
    "accumulate": (["--accumulate", "3"], "accumulate must divide the batch of 128, got 3"),
    "seeds": (["--seeds", "0"], "seeds must be at least 1 .*, got 0"),
    "model": ([*TINY, "--model", "vgg"], "vgg.*unknown.*vgg16"),
    "devices": ([*TINY, "--batch-size", "12"], "batch_size 12 cannot be split over 8 devices"),
    "examples": ([*TINY, "--train-examples", "0"], "train_examples must be at least 1 .*None for all, got 0"),
    "eval_every": ([*TINY, "--eval-every", "0"], "eval_every must be positive.*, got 0"),
    "no folder": (["--dataset", "folder:nowhere"], "nowhere is no folder and no CSV"),
    "no classes": (["--dataset", "folder:empty"], "empty.train holds no folders of classes"),
    "unreadable image": (["--dataset", "folder:broken"], "cannot be read as an image: train.a.1.png"),
    "workdir": ([*TINY, "--workdir", "file"], "file"),
    "coordinator": (["--coordinator", "localhost:1"], "--processes, --process-id missing"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_gets_one_line_and_exit_status_2(cli, tmp_path, monkeypatch, name):
    for split in ("train", "test"):
        (tmp_path / "empty" / split).mkdir(parents=True)
        for each in "ab":
            (tmp_path / "broken" / split / each).mkdir(parents=True)
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "broken" / split / each / "0.png")
        (tmp_path / "broken" / split / "a" / "1.png").write_bytes(b"no image")
    (tmp_path / "file").touch()
    if name == "coordinator":
        monkeypatch.undo()
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    arguments, message = BAD_INPUT[name]
    if "--workdir" not in arguments:
        arguments = [*arguments, "--workdir", tmp_path / "run"]
    code, lines = cli(*arguments)
    assert code == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert re.search(message, lines[0]), lines[0]
    assert not (tmp_path / "run" / "result.json").exists()


def start(*arguments):
    """Start `python -m experiments.cifar` as a person does, on one device."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "experiments.cifar", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def test_the_smoke_run_writes_the_files_of_a_run(tmp_path):
    process = start("--smoke", "--workdir", tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert SAID.match(err)
    assert len(err.splitlines()) == 1
    assert "mixup, alpha = 1" in out
    assert {path.name for path in tmp_path.iterdir() if path.name != ".lock"} == FILES
    result = json.loads((tmp_path / "result.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["epoch"] == 2
    documented = (ROOT / "docs" / "design.md").read_text()
    assert all(f'"{name}"' in documented for name in (*lines[0], *result))
    assert set(lines[0]) >= {"step", "epoch", "lr", "train_loss", "train_accuracy", "train_subset_error", "test_error"}
    assert (result["mark"], result["seeds"], result["paper"]) == ("REAL", [0, 1, 2], None)
    assert len(result["params_digest"]) == 64
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png"}


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_says_so_and_the_same_command_ends_it(tmp_path, cli):
    training = ["--epochs", "40", "--decay-epochs", "20", "--eval-every", "1"]
    command = ["preact18-erm", *TINY, *training, "--workdir", tmp_path / "run"]
    process = start(*command)
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 143, err
    assert all(line.startswith(("first step after ", "epoch ")) for line in out.splitlines())
    said, stopped = err.splitlines()
    assert SAID.match(said)
    assert stopped.startswith("stopped: at step ")

    code, lines = cli(*command, "--alpha", "0.5")
    assert code == 2
    assert len(lines) == 1
    assert "mixing.name is erm there and mixup here" in lines[0]

    process = start(*command)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 41))


@pytest.mark.thorough
@pytest.mark.parametrize("name", cifar.PRESETS)
def test_every_preset_makes_a_recipe_and_a_network(name):
    _, config = cifar.PRESETS[name]
    shape = {"cifar10": (32, 32, 3), "fashion_mnist": (28, 28, 1)}[config.data.dataset]
    image, label = np.zeros((2, *shape), np.uint8), np.zeros(2, np.int32)
    normalising = ((0.5,) * shape[-1], (0.25,) * shape[-1])
    data = Dataset("blank", "SYNTHETIC", tuple("0123456789"), image, label, image, label, *normalising)
    recipe = make_recipe(config, data)
    state = jax.eval_shape(lambda: init_state(0, recipe.model, recipe.optimizer, jnp.zeros((1, *shape))))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    published = {"preact18": 11_171_146, "wrn28": 36_479_194, "densenet190": 25_624_430}.get(name.split("-")[0])
    assert parameters == published if published else parameters < 1_000_000
    assert float(recipe.schedule(0)) == pytest.approx(0.1)
    _, job = command_line.parse("cifar", "", JOBS, "small-mixup", [name, "--alpha", "0.3", "--seeds", "7"])
    assert (job.config.mixing.alpha, job.config.seeds, job.config.model) == (0.3, 7, config.model)


def test_without_a_preset_the_default_one_is_run():
    preset, job = command_line.parse("cifar", "", JOBS, "small-mixup", ["--smoke"])
    assert (preset, job.smoke, job.config) == ("small-mixup", True, cifar.PRESETS["small-mixup"][1])


def test_the_papers_number_stands_beside_the_papers_recipe_only():
    _, config = cifar.PRESETS["preact18-mixup"]
    assert cifar.paper(config)["test_error"] == 4.24  # variant H was run again by the first author
    assert cifar.paper(cifar.replace(config, seeds=5)) == cifar.paper(config)
    figures = cifar.replace(config, model=cifar.PREACT18_F)
    assert cifar.paper(figures) == {"test_error": 4.2, "source": "Figure 3(a)"}
    assert cifar.paper(cifar.replace(config, epochs=10.0)) is None
    assert cifar.paper(cifar.PRESETS["wrn28-10-erm"][1]) == {"test_error": 3.8, "source": "Figure 3(a)"}
    assert cifar.paper(cifar.PRESETS["small-mixup"][1]) is None


def test_the_help_names_the_presets_and_the_default(cli, capsys):
    with pytest.raises(SystemExit) as left:
        command_line.parse("cifar", "About.", JOBS, "small-mixup", ["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(preset in text for preset in cifar.PRESETS)
    assert "small-mixup if left out" in text


def test_the_list_of_experiments_names_each_with_a_command(capsys):
    listing.main()
    text = capsys.readouterr().out
    assert all(f"python -m experiments.{name}" in text for name in listing.EXPERIMENTS)


def test_the_list_takes_no_argument():
    listed = [sys.executable, "-m", "experiments", "nosuch"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: python -m experiments takes no word, got 'nosuch'; it lists them\n"


@pytest.mark.thorough
def test_a_reader_that_has_gone_is_no_bad_input():
    helped = [sys.executable, "-m", "experiments.cifar", "--help"]
    read, write = os.pipe()
    os.close(read)  # as head's, once it has what it wants
    done = subprocess.run(helped, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_the_list_suggests_the_command_that_was_meant():
    with pytest.raises(ValueError, match=r"did you mean python -m experiments.cifar small-erm\?"):
        listing.check_words(["cifar", "small-erm"])
    with pytest.raises(ValueError, match=r"did you mean python -m experiments.cifar\?"):
        listing.check_words(["cifer"])


def test_a_full_disk_says_what_to_do(capsys):
    with pytest.raises(SystemExit) as left, one_line_errors():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert left.value.code == 2
    assert re.fullmatch(r"error: .*No space left on device; make room .*\n", capsys.readouterr().err)


def test_what_the_system_refuses_is_told_by_the_file_and_in_words(capsys, tmp_path):
    with pytest.raises(SystemExit) as left, one_line_errors():
        (tmp_path / "none" / "a").mkdir()
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'none' / 'a'}: No such file or directory\n"
