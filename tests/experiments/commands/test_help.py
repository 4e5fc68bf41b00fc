"""Laws of --help: it shows the options that people use first, says how to see all, and every one of them exists."""

import ast
import importlib
from pathlib import Path

import pytest
import tyro

from experiments import ablation, corrupted_labels, finetune, vit
from experiments.cifar import PRESETS
from experiments.commands import help as page
from experiments.commands.command_line import parse
from experiments.commands.errors import call, command
from experiments.commands.running import Job
from experiments.imagenet.presets import PRESETS as IMAGENET
from experiments.plan.__main__ import Plan
from experiments.wafer.presets import PRESETS as WAFER

ROOT = Path(__file__).parents[3]
COMMANDS = sorted([*(ROOT / "experiments").glob("*.py"), *(ROOT / "experiments").rglob("__main__.py")])
JOBS = {name: (text, Job(config)) for name, (text, config) in PRESETS.items()}
OF = {
    "cifar": Job(PRESETS["small-mixup"][1]),
    "vit": Job(vit.PRESETS["small-both"][1]),
    "imagenet": Job(IMAGENET["resnet50-mixup"][1]),
    "finetune": finetune.PRESETS["full"][1],
    "corrupted_labels": corrupted_labels.PRESETS["small"][1],
    "ablation": ablation.PRESETS["small"][1],
    "speech": importlib.import_module("experiments.speech.__main__").PRESETS["small"][1],
    "wafer": WAFER["train"][1],
    "plan": Plan(IMAGENET["resnet50-mixup"][1]),
}


def helped(capsys, *arguments, about="About."):
    with pytest.raises(SystemExit) as stop:
        parse("cifar", about, JOBS, "small-mixup", [*arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("experiment", OF)
def test_what_is_shown_first_is_ten_options_that_there_are(experiment):
    first = page.FIRST.get(experiment, page.RUN)
    parts = {"model", "method"} if hasattr(OF[experiment].config, "mixing") else {"model"}  # of the choices
    assert len({*first}) == 10
    assert {*first} <= {*page.names_of(OF[experiment])} | parts
    assert page.FIRST.keys() <= OF.keys()


@pytest.mark.parametrize("columns", ["80", "50"])
def test_each_help_says_that_there_is_the_other_and_fits_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    short, whole = helped(capsys, "--help"), helped(capsys, "small-erm", "--help-all")
    assert "--help-all" in short
    assert "--help shows" in whole
    assert all(f"--{name.replace('_', '-')} " in short for name in page.RUN)
    assert "--momentum" not in short
    assert all(f"--{name} " in whole for name in ("momentum", "weight-decay", "workdir", "dataset"))
    lines = [line.rstrip() for text in (short, whole) for line in text.splitlines() if not line.startswith("usage:")]
    assert max(map(len, lines)) <= int(columns)


def test_prose_is_broken_between_words_and_commands_are_not(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    command = f"    python -m experiments.cifar {'--option value ' * 4}"
    about = f"First.\n\nA number at the end of a line is followed by\n{'56.6 and more ' * 9}\n\n{command}\n"
    shown = helped(capsys, "--help", about=about)
    assert "by 56.6" in " ".join(shown.split())
    before, after = shown.split(command.rstrip())
    assert max(len(line.rstrip()) for line in (before + after).splitlines()) <= 60
    assert "\n\n\n" not in shown


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_prose_of_a_command_is_longer_than_the_terminal(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    page.print_about(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "", "")
    prose = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert max(map(len, prose)) <= 60


def test_completions_of_a_shell_are_as_tyro_writes_them(capsys):
    written = []
    for call_it in (command, lambda cli, *args, **options: cli(*args, **options)):
        with pytest.raises(SystemExit):
            call_it(tyro.cli, dict[str, int], args=["--tyro-print-completion", "bash"], default={"a_long_name": 1})
        written.append(capsys.readouterr().out)
    assert written[0] == written[1] != ""


def test_a_command_of_few_options_shows_them_all_for_both(capsys, monkeypatch):
    def small(size: int = 1) -> None:
        """Do something."""

    shown = []
    for option in ("--help", "--help-all"):
        monkeypatch.setattr("sys.argv", ["small", option])
        with pytest.raises(SystemExit):
            call(small, prog="small")
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "--size" in shown[0]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("--alhpa 1", "--alpha?"),
        ("--sedes 1", "--seeds?"),
        ("--batchsize 3", "--batch-size?"),
        ("--model vgg16_bn_gap", "vgg16_gap,"),
        ("--method mixip", "mixup,"),
        ("--partner permutaton", "permutation?"),
        ("smal-erm", "small-erm?"),
    ],
)
def test_a_near_miss_is_asked_about(capsys, arguments, meant):
    with pytest.raises((SystemExit, ValueError)) as stop:
        parse("cifar", "About.", JOBS, "small-mixup", arguments.split())
    assert f"did you mean {meant}" in f"{stop.value}{capsys.readouterr().err}"
