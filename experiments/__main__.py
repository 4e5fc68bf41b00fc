"""List the experiments: the table or figure of the paper that each one reproduces, and the command."""

import ast
import shlex
import sys
from pathlib import Path

from rich.text import Text

from experiments.commands.errors import call, one_line_errors
from mixup_jax.runtime.console import console
from mixup_jax.runtime.errors import did_you_mean

EXPERIMENTS = (
    "quickstart",
    "cifar",
    "vit",
    "finetune",
    "between_samples",
    "corrupted_labels",
    "adversarial",
    "ablation",
    "toy",
    "tabular",
    "gan",
    "speech",
    "prepare",
    "imagenet",
    "prepare_speech",
    "wafer",
    "gallery",
    "models",
    "plan",
    "predict",
    "export",
    "report",
)


def main() -> None:
    """Print the first sentence and the commands of each experiment's page."""
    screen = console()
    for name in EXPERIMENTS:
        page = page_of(name)
        commands = [line.strip() for line in page.splitlines() if line.strip().startswith("python -m")]
        screen.print(Text(f"\n{name}", style="bold").append(f"  {page.splitlines()[0]}", style="not bold"))
        for each in commands:
            screen.print(f"  {each}", soft_wrap=True)
    screen.print(
        "\nEvery command takes --help, the options that people use first, and --help-all; "
        "every experiment that trains or draws --smoke: a minute or two."
    )


def page_of(name: str) -> str:
    """Return the docstring of an experiment's module, without importing it.

    >>> page_of("gan").partition(":")[0]
    'Figure 5'
    """
    base = Path(__file__).parent / name
    return (
        ast.get_docstring(ast.parse((base / "__main__.py" if base.is_dir() else base.with_suffix(".py")).read_bytes()))
        or ""
    )


def check_words(words: list[str]) -> None:
    """Raise ValueError for a word, with the command that it may mean; this command takes none.

    >>> check_words(["--help"])
    """
    if words and not words[0].startswith("-"):

        def command(name: str) -> str:
            return f"python -m {shlex.join([f'experiments.{name}', *words[1:]])}"

        hint = did_you_mean(words[0], EXPERIMENTS, command) or "; it lists them"
        raise ValueError(f"python -m experiments takes no word, got {words[0]!r}{hint}")


if __name__ == "__main__":
    with one_line_errors():
        check_words(sys.argv[1:])
        call(main, prog="python -m experiments")
