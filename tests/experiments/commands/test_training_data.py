"""Laws of the data of a run: streamed photographs are chosen and relabelled as images in memory are, and what is wrong
with a command is told before they are looked at.
"""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file
from weight_files import random_timm

from experiments.commands.early_checks import check_early
from experiments.commands.notices import fit_to
from mixup_jax.choices import Data, Mixup
from mixup_jax.choices.networks import ViT
from mixup_jax.config import Config
from mixup_jax.data.label_noise import corrupt_labels
from mixup_jax.data.photographs.streamed import Photograph, StreamedDataset
from mixup_jax.data.sources import prepare

COUNT = 50
PHOTOGRAPHS = [Photograph(f"{number}.JPEG", number % 5, b"") for number in range(COUNT)]
STREAM = StreamedDataset("some", "SYNTHETIC", tuple("abcde"), PHOTOGRAPHS, PHOTOGRAPHS[:9], (0.5,) * 3, (0.2,) * 3)
OF_STREAM = Data("imagenet", pad_crop=0, image_size=8)


def numbers(data):
    """Return which photographs are trained on."""
    numbered = [each._replace(label=number) for number, each in enumerate(PHOTOGRAPHS)]
    return replace(data, train=numbered).labels_of_files().tolist()


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_subsets_of_photographs_are_disjoint_and_together_all(parts):
    found = [prepare(STREAM, replace(OF_STREAM, train_subset=(index, parts)))[0] for index in range(parts)]
    assert sorted(np.concatenate([numbers(each) for each in found])) == list(range(COUNT))
    first, _ = prepare(STREAM, replace(OF_STREAM, train_subset=(1, parts), train_examples=4))
    assert numbers(first) == numbers(found[1])[:4]
    assert numbers(prepare(STREAM, OF_STREAM)[0])[: COUNT // parts] == numbers(found[0])


def test_what_is_no_part_of_a_stream_is_refused():
    for change in ({"train_subset": (0, COUNT + 1)}, {"train_subset": (0, 2), "train_examples": 26}):
        with pytest.raises(ValueError, match=r"train_subset asks for 51 parts|train_examples must be between 1 and 25"):
            prepare(STREAM, replace(OF_STREAM, **change))


def test_the_labels_of_photographs_are_corrupted_by_the_rule_of_images_in_memory():
    noisy, wrong = prepare(STREAM, replace(OF_STREAM, label_noise=0.6, train_subset=(0, 2)))
    truth = noisy.labels_of_files()
    given, mask = corrupt_labels(truth, 0.6, 5)
    np.testing.assert_array_equal(noisy.train_label, given)
    np.testing.assert_array_equal(noisy.corrupted, mask)
    assert 0 < wrong == np.mean(given != truth) < mask.mean()
    clean, none = prepare(STREAM, replace(OF_STREAM, train_subset=(0, 2)))
    other, _ = prepare(STREAM, replace(OF_STREAM, label_noise=0.5, train_subset=(0, 2)))
    assert (clean.train_label, clean.corrupted, none) == (None, None, 0.0)
    assert len({str(each.identity()) for each in (noisy, clean, other)}) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"batch_size": 128}, 48),
        ({"batch_size": 32}, 32),
        ({"batch_size": 130, "accumulate": 5}, 40),
        ({"batch_size": 128, "mixing": Mixup(block=32)}, 32),
        ({"batch_size": 128, "norm_block": 32}, 32),
        ({"batch_size": 120, "norm_block": 10, "accumulate": 2}, 40),
        ({"batch_size": 128, "mixing": Mixup(partner="optimal", group=4)}, 48),
        ({"batch_size": 128, "data": replace(OF_STREAM, train_examples=7)}, 7),
        ({"batch_size": 128, "data": replace(OF_STREAM, train_subset=(0, 2))}, 24),
        ({"batch_size": 128, "mixing": Mixup(block=64)}, 128),  # refused later: no batch of these images has a block
    ],
)
def test_a_batch_is_no_larger_than_the_training_set_and_what_must_divide_it_does(change, expected, capsys):
    config = fit_to(replace(Config(data=OF_STREAM), **change), STREAM)
    assert config.batch_size == expected
    assert capsys.readouterr().out.count("\n") == (expected != change["batch_size"])


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder of photographs none of which can be read: whoever decodes one says so."""
    folder = tmp_path_factory.mktemp("broken")
    for part in ("train", "test"):
        for name in "abc":
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / "1.png").write_bytes(b"nothing")
    return folder


TINY = ViT(width=8, depth=2, heads=2, patch=4)
WRONG = {
    "layer": ({"mixing": Mixup(layer="stage9")}, "layer must be one that the model calls"),
    "train_from without init": ({"train_from": "block2"}, "is for --init"),
    "pad_crop": ({"data": {"pad_crop": 4}}, "--pad-crop 0"),
    "no weights": ({"init": "nowhere.safetensors"}, "nowhere.safetensors, which is not there"),
    "no network": ({"init": "{}/empty"}, "config.json"),
    "damaged file": ({"init": "{}/damaged.safetensors"}, "cannot be read as .safetensors"),
    "network": ({"init": "{}/wider.safetensors"}, "--width 16"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_before_a_photograph_is_read(broken, name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.safetensors").write_bytes(b"x" * 100)
    save_file(random_timm(replace(TINY, width=16), 8, 3), tmp_path / "wider.safetensors")
    change, message = WRONG[name]
    data = Data(f"folder:{broken}", pad_crop=0, image_size=8)
    data = replace(data, **change["data"]) if "data" in change else data
    rest = {key: value.format(tmp_path) if key == "init" else value for key, value in change.items() if key != "data"}
    with pytest.raises((ValueError, OSError), match=message):
        check_early(replace(Config(data=data, model=TINY), **rest))


def test_neighbours_of_photographs_on_disk_are_refused():
    with pytest.raises(ValueError, match="partner neighbours needs data in memory"):
        Config(data=OF_STREAM, mixing=Mixup(partner="neighbours"))


def test_a_command_that_is_right_so_far_is_let_through_without_a_photograph_being_read(broken):
    data = Data(f"folder:{broken}", pad_crop=0, image_size=8)
    check_early(Config(data=data, model=TINY, mixing=Mixup(layer="block2"), batch_size=1024))
