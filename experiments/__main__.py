"""List the experiments: which table or figure of the paper each one makes, and the command."""

import importlib
import inspect

from rich.console import Console

from experiments.errors import call, one_line_errors

EXPERIMENTS = (
    "quickstart",
    "cifar",
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
    "plan",
    "report",
)


def main() -> None:
    """Print the first sentence and the commands of each experiment's page."""
    console = Console(highlight=False)
    for name in EXPERIMENTS:
        page = inspect.getdoc(importlib.import_module(f"experiments.{name}")) or ""
        commands = [line.strip() for line in page.splitlines() if line.strip().startswith("python -m")]
        console.print(f"\n[bold]{name}[/bold]  {page.splitlines()[0]}")
        for each in commands:
            console.print(f"  {each}", markup=False, soft_wrap=True)
    console.print("\nEvery command takes --help, and every experiment that trains or draws --smoke: a minute or two.")


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments")
