"""Laws of a run's identity, from the command's end: whatever changes a number is compared, nothing is lost."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import toy
from experiments.commands.errors import one_line_errors
from experiments.commands.running import Job, run
from experiments.tabular import __main__ as tabular
from experiments.tabular.train import Tabular
from experiments.trained_pairs import load as pairs
from mixup_jax.choices import Data, Erm, Sgd
from mixup_jax.choices.networks import MLP
from mixup_jax.config import Config
from mixup_jax.runtime.errors import NotFinite, Stopped
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.run_folder import PREDICTIONS
from mixup_jax.runtime.signals import StopFlag

TINY = Config(data=Data(pad_crop=0, flip=False), model=MLP(width=4), mixing=Erm(), batch_size=8, epochs=2.0)
FIGURES = {
    "learning_curves.png",
    "reliability.png",
    "mixed_samples.png",
    "errors_by_class.png",
    "confusion.png",
    "worst_images.png",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def draw_images(folder, seed=0, count=8):
    """Write images of two classes, `count` of each to train on and half as many to test on."""
    generator = np.random.default_rng(seed)
    for split, images in (("train", count), ("test", count // 2)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(images):
                pixels = generator.integers(0, 255, (6, 6, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images")


def train(images, workdir, **fields):
    config = replace(TINY, data=replace(TINY.data, dataset=f"folder:{images}"))
    return run("cifar", "small-erm", Job(replace(config, **fields), Launch(workdir=workdir)))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder of images and a run on them."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        train(draw_images(folder / "images"), folder / "run")
    return folder


@pytest.fixture
def trained(once, tmp_path):
    """The images, as they were, and a copy of the run on them."""
    shutil.rmtree(once / "images", ignore_errors=True)
    return draw_images(once / "images"), shutil.copytree(once / "run", tmp_path / "run")


def swap(images):
    for split in ("train", "test"):
        (images / split / "cat").rename(images / split / "x")
        (images / split / "dog").rename(images / split / "cat")
        (images / split / "x").rename(images / split / "dog")


def rename(images):
    for split in ("train", "test"):
        (images / split / "cat").rename(images / split / "bird")


CHANGES = {
    "other images of the same names": (lambda images: draw_images(images, seed=1), "digests.train_image"),
    "twice as many": (lambda images: draw_images(images, count=16), "train_count is 16 there and 32 here"),
    "classes swapped": (swap, "digests.train_image"),
    "a class renamed": (rename, r"classes is \['cat', 'dog'\] there and \['bird', 'dog'\] here"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", CHANGES)
def test_a_finished_run_is_not_the_answer_for_other_data_and_its_network_keeps_its_own(trained, name):
    (images, folder), (change, difference) = trained, CHANGES[name]
    before = pairs.load_network(folder, None)
    probe = jnp.asarray(before.data.test_image, jnp.float32)
    logits = before.trained.logits(before.trained.of_seed(0), probe)
    change(images)
    with pytest.raises(ValueError, match=f"holds a run on other data: .*{difference}"):
        train(images, folder)
    after = pairs.load_network(folder, None)
    assert after.identity == before.identity
    np.testing.assert_array_equal(after.trained.logits(after.trained.of_seed(0), probe), logits)
    with pytest.raises(ValueError, match=f"was trained on other data than folder:.* has now: .*{difference}"):
        _ = after.data


def test_a_network_is_loaded_when_its_data_are_gone(trained):
    images, folder = trained
    before = pairs.load_network(folder, None)
    shutil.rmtree(images)
    after = pairs.load_network(folder, None)
    assert after.identity.classes == ("cat", "dog")
    assert (after.trained.recipe.mean, after.trained.recipe.std) == (before.identity.mean, before.identity.std)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        _ = after.data


@pytest.mark.thorough
def test_an_interrupted_run_does_not_go_on_with_other_data(images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(StopFlag, "agreed", lambda self, steps: (True, steps))
        patch.setattr(StopFlag, "stopped", lambda self, message: Stopped(message, 15))
        with pytest.raises(Stopped, match="the same command goes on"):
            train(images, tmp_path / "run")
    draw_images(images, seed=1)
    with pytest.raises(ValueError, match=r"on other data: .*digests\.train_image"):
        train(images, tmp_path / "run")
    draw_images(images)
    assert train(images, tmp_path / "run")["seeds"] == [0]


def test_a_network_of_an_older_run_takes_the_data_of_now_and_says_so(trained):
    _, folder = trained
    path = folder / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: content[name] for name in content if name not in ("data", "jax")}))
    with pytest.warns(UserWarning, match="does not store the identity of its data"):
        network = pairs.load_network(folder, None)
    assert network.identity == network.data.identity()


def test_networks_trained_on_different_data_of_one_name_are_not_compared(trained, tmp_path):
    _, erm = trained
    content = json.loads((erm / "config.json").read_text())
    content["config"]["mixing"] = {"name": "mixup", "alpha": 1.0}
    content["data"]["digests"]["train_image"] = "0" * 64
    (shutil.copytree(erm, tmp_path / "mixup") / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"were not trained on the same data .*digests\.train_image"):
        pairs.load_pair([erm], [tmp_path / "mixup"], None)


REFUSED = {
    "not to be shared": ({"batch_size": 12}, "batch_size 12 cannot be split"),
    "not finite": ({"optimizer": Sgd(lr=1e6, weight_decay=1e6)}, "not finite at step . of seed 0; there is no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_refused_before_anything_is_kept_leaves_no_claim(images, tmp_path, name):
    fields, message = REFUSED[name]
    with pytest.raises((ValueError, NotFinite), match=message):
        train(images, tmp_path / "run", **fields)
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_the_corrected_command_is_accepted(images, tmp_path):
    with pytest.raises(ValueError, match="batch_size 12 cannot be split"):
        train(images, tmp_path / "run", batch_size=12)
    assert train(images, tmp_path / "run")["seeds"] == [0]


@pytest.mark.thorough
def test_figures_that_are_missing_are_drawn_when_the_same_command_comes_again(trained):
    images, folder = trained
    result = (folder / "result.json").read_bytes()
    for missing in ("", *FIGURES):  # killed before the first, or before one of them
        (folder / "figures" / missing).unlink() if missing else shutil.rmtree(folder / "figures")
        train(images, folder)
        assert {path.name for path in (folder / "figures").iterdir()} == FIGURES
    assert (folder / "result.json").read_bytes() == result


def test_a_run_that_was_finished_before_predictions_were_kept_keeps_them_when_its_command_comes_again(trained):
    images, folder = trained
    before = {path: path.read_bytes() for path in (folder / PREDICTIONS, folder / "result.json")}
    (folder / PREDICTIONS).unlink()
    train(images, folder)
    assert {path: path.read_bytes() for path in before} == before


def test_a_checkpoint_folder_elsewhere_has_the_same_name_whatever_defaults_come_to_be():
    place = Launch(checkpoints="gs://bucket/runs").checkpoint_folder
    folders = [place(Path("unused"), config) for config in (Config(), TINY, replace(TINY, seed=1))]
    assert len(set(folders)) == 3
    assert folders[0].name == "44136fa355b3"  # of no field at all: it stays when fields are added


def train_apart(images, workdir, checkpoints):
    config = replace(TINY, data=replace(TINY.data, dataset=f"folder:{images}"))
    return run("cifar", "small-erm", Job(config, Launch(workdir=workdir, checkpoints=str(checkpoints))))


def test_checkpoints_in_a_folder_of_their_own_belong_to_the_run_that_wrote_them(images, tmp_path):
    shared = tmp_path / "shared"
    train_apart(images, tmp_path / "first", shared)
    draw_images(images, seed=1)  # the same names, other pixels
    with pytest.raises(ValueError, match=r"shared.* on other data"):
        train_apart(images, tmp_path / "second", shared)


def test_a_run_with_its_own_description_takes_no_checkpoints_of_another(images, tmp_path):
    train_apart(images, tmp_path / "first", tmp_path / "shared")
    draw_images(images, seed=1)
    train(images, tmp_path / "second")
    (tmp_path / "second" / "result.json").unlink()  # as if it had been stopped
    with pytest.raises(ValueError, match="holds checkpoints of a run on other data"):
        train_apart(images, tmp_path / "second", tmp_path / "shared")


def test_a_run_that_has_lost_its_workdir_goes_on_from_its_checkpoints(images, tmp_path):
    first = train_apart(images, tmp_path / "first", tmp_path / "shared")
    with pytest.warns(UserWarning, match="lacks 2 evaluations"):
        again = train_apart(images, tmp_path / "second", tmp_path / "shared")
    assert again["params_digest"] == first["params_digest"]


def test_checkpoints_of_which_nothing_says_whose_they_are_are_taken_with_a_warning(images, tmp_path):
    train_apart(images, tmp_path / "first", tmp_path / "shared")
    for path in (tmp_path / "shared").glob("*.json"):  # earlier versions wrote none
        path.unlink()
    with pytest.warns(UserWarning, match="nothing says of what run"), pytest.warns(UserWarning, match="lacks 2"):
        train_apart(images, tmp_path / "second", tmp_path / "shared")


def write_csv(path, shift=0.0, word="left"):
    rows = [f"{i % 2 * 4 + i / 100 + shift},{word if i % 2 else 'right'},{'yes' if i % 2 else 'no'}" for i in range(20)]
    path.write_text("\n".join(["position,side,answer", *rows]))
    return path


@pytest.mark.parametrize(
    ("change", "difference"),
    {
        "settings": ({"alphas": (0.3,)}, r"of other settings: alphas is \[0.2\] there and \[0.3\] here"),
        "numbers": ({"shift": 1.0}, r"on other data: .*digests\.numbers"),
        "words": ({"word": "links"}, r"on other data: .*digests\.words"),
    }.values(),
)
def test_a_folder_of_a_table_keeps_the_table_of_its_settings_and_data(tmp_path, monkeypatch, change, difference):
    monkeypatch.setattr(tabular, "measure", lambda *_: {"test": np.ones((2, 2)), "train": np.ones((2, 2))})
    job = Tabular(csv=write_csv(tmp_path / "mine.csv"), target="answer", alphas=(0.2,), seeds=2)
    tabular.run(job, tmp_path / "run")
    before = (tmp_path / "run" / "table.json").read_bytes()
    settings = {name: change[name] for name in change if name == "alphas"}
    write_csv(tmp_path / "mine.csv", **{name: change[name] for name in change if name != "alphas"})
    with pytest.raises(ValueError, match=f"holds a run {difference}"):
        tabular.run(replace(job, **settings), tmp_path / "run")
    assert (tmp_path / "run" / "table.json").read_bytes() == before
    write_csv(tmp_path / "mine.csv")
    tabular.run(job, tmp_path / "run")


def test_a_table_that_was_not_finished_leaves_its_folder_to_other_settings(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    job = Tabular(csv=write_csv(tmp_path / "mine.csv"), target="answer", alphas=(0.2,), seeds=2)
    monkeypatch.setattr(tabular, "measure", fail)
    with pytest.raises(KeyboardInterrupt):
        tabular.run(job, tmp_path / "run")
    monkeypatch.setattr(tabular, "measure", lambda *_: {"test": np.ones((3, 2)), "train": np.ones((3, 2))})
    tabular.run(replace(job, seeds=3), tmp_path / "run")


def test_a_folder_of_the_toy_keeps_its_settings(tmp_path, monkeypatch, capsys):
    def pretend(problems, alphas, seeds, steps):
        shape = (seeds, len(alphas))
        return {
            name: (np.zeros((*shape, toy.TEST_EXAMPLES)), np.zeros((*shape, toy.SIDE**2)), *parts)
            for name, parts in problems.items()
        }

    monkeypatch.setattr(toy, "train_all", pretend)
    toy.main(alpha=1.0, seeds=2, workdir=tmp_path)
    before = (tmp_path / "table.json").read_bytes()
    with pytest.raises(SystemExit) as stop, one_line_errors():
        toy.main(alpha=0.5, seeds=3, workdir=tmp_path)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "alpha is 1.0 there and 0.5 here; seeds is 2 there and 3 here" in error
    assert error.count("\n") == 1
    assert (tmp_path / "table.json").read_bytes() == before
    toy.main(alpha=1.0, seeds=2, workdir=tmp_path)
