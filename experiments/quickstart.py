"""Quick start: ERM against mixup on scikit-learn's digits, with clean and with corrupted training labels.

Two minutes on two CPU cores. A wide multilayer perceptron is trained with 5 seeds a row until ERM has learned its
training labels by heart. With 40 % of them replaced at random (36 % wrong: a tenth of the draws hit the true class)
that is where mixup shows what the paper says in section 3.4 (table 2): it does not memorise what is not there.

    python -m experiments.quickstart            # prints a table, writes runs/quickstart/report.html
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.commands.errors import call, one_line_errors
from experiments.commands.running import Job, run
from experiments.commands.settings import check_counts
from mixup_jax.choices import Cosine, Data, Erm, Mixup, Sgd
from mixup_jax.choices.networks import MLP
from mixup_jax.config import Config
from mixup_jax.config_checks import SEEDS
from mixup_jax.runtime.console import console
from mixup_jax.runtime.launch import Launch

CLEAN = Config(
    data=Data("digits", pad_crop=0, flip=False),
    model=MLP(width=256),
    optimizer=Sgd(lr=0.1, weight_decay=0.0),
    schedule=Cosine(),
    batch_size=64,
    epochs=60.0,
    eval_every=4.0,
)
NOISY = replace(CLEAN, data=replace(CLEAN.data, label_noise=0.4))

PRESETS = {
    "clean-erm": ("ERM", replace(CLEAN, mixing=Erm())),
    "clean-mixup": ("mixup, alpha = 0.2", replace(CLEAN, mixing=Mixup(alpha=0.2))),
    "noisy-erm": ("ERM, 40 % of the labels corrupted", replace(NOISY, mixing=Erm())),
    "noisy-mixup": ("mixup, alpha = 8, 40 % of the labels corrupted", replace(NOISY, mixing=Mixup(alpha=8.0))),
}


def main(
    workdir: Path | None = None,
    seeds: int = 5,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Train ERM and mixup on clean and on corrupted labels of small digits; print a table and write a report.

    Args:
        workdir: Folder of the four runs and the report, runs/quickstart if left out; the same command goes on there.
        seeds: Seeds a row, trained at once.
        smoke: Two epochs of a tiny net: does everything work here?
    """
    check_counts({"seeds": (seeds, SEEDS)})
    workdir = workdir or Path("runs") / ("quickstart-smoke" if smoke else "quickstart")
    results = {}
    for name, (_, config) in PRESETS.items():
        job = Job(replace(config, seeds=seeds), Launch(workdir=workdir / name), smoke)
        results[name] = run("quickstart", name, job)
    show(results, workdir)


def show(results: dict[str, dict[str, Any]], workdir: Path) -> None:
    """Print the table and write the page."""
    from mixup_jax.report.page import write_page
    from mixup_jax.report.plots.illustrations import beta_densities
    from mixup_jax.report.runs import load_runs
    from mixup_jax.report.terminal import summary_table

    errors = {PRESETS[name][0]: result["test_error"]["last"] for name, result in results.items()}
    screen = console()
    screen.print()
    screen.print(summary_table(errors, title="scikit-learn's 8x8 digits (REAL)"))
    runs, warnings = load_runs([workdir / name for name in results])
    figures = [("How strongly each alpha mixes: the density of lambda.", beta_densities())]
    page = workdir / "report.html"
    write_page(runs, page, title="mixup: quick start", figures=figures, warnings=warnings)
    screen.print(f"\nreport: {page}", soft_wrap=True)


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.quickstart")
