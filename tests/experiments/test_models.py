"""Laws of the list of networks: all of them, with the published numbers, within a page's width."""

import pytest

from experiments import cifar, models
from experiments.commands import command_line
from experiments.commands.running import Job
from mixup_jax.config import CHOICES


def test_every_network_is_in_the_list_with_a_paper_and_a_check():
    listed = models.entries()
    assert {entry.name for entry in listed} >= CHOICES["model"].keys()
    for entry in listed:
        assert entry.setting.paper
        assert entry.setting.checked


@pytest.mark.parametrize(
    ("word", "parameters", "giga"),
    [
        ("deit3_small", "22,059,496", "4.599"),
        ("convnext_atto", "3,695,520", "0.547"),
        ("resnet18", "11,689,512", "1.814"),
    ],
)
def test_a_row_fits_100_columns_and_has_the_published_numbers(capsys, monkeypatch, word, parameters, giga):
    monkeypatch.setenv("COLUMNS", "100")
    models.main([word])
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert max(map(len, lines)) <= 100
    row = next(line for line in lines if word in line)
    assert parameters in row
    assert giga in row


@pytest.mark.thorough
def test_no_name_is_cut_where_the_terminal_is_narrow(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    models.main(["deit", "--pool"])
    words = capsys.readouterr().out.split()
    assert {"deit3_small_patch16_224", "deit_tiny_patch16_224", "--pre-logits"} <= set(words)


def test_options_of_a_row_are_options_of_the_command_line():
    [entry] = models.OPTIONS[-1:]
    jobs = {"small": ("", Job(cifar.SMALL))}
    _, job = command_line.parse("cifar", "", jobs, "small", ["--model", *entry.name.split()])
    assert job.config.model == entry.make()
    assert models.size_of(entry).parameters == 2_693_578  # 65 tokens of 192, 6 blocks of 444,864, 10 classes


def test_a_word_that_no_network_has_is_one_line():
    with pytest.raises(ValueError, match="no network's name contains swin"):
        models.main(["swin"])
