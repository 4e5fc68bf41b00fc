"""Table 4: ERM against mixup on six small tables of the UCI repository.

Paper, average test error in per cent, ERM and mixup (unconfirmed): abalone 74.0, 73.6; arcene 57.6, 48.0; arrhythmia
56.6, 46.3; htru2 2.0, 2.0; iris 21.3, 17.3; phishing 16.3, 15.2. Two hidden layers of 128 ReLU, Adam, 10 epochs in
batches of 16. Its splits, its preprocessing and its alpha are not stated, and no choice of ours gives its numbers (iris
at 21 % is far above what the same net reaches on plain or scaled features): the table cannot be reproduced from its
text. All six, 20 splits, ERM and four alphas take minutes on two CPU cores.

    python -m experiments.tabular --data-dir DATA                          # the paper's 10 epochs
    python -m experiments.tabular extended --datasets iris phishing        # 100 epochs
    python -m experiments.tabular --csv mine.csv --target kind             # a table of your own
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from rich.console import Console
from rich.progress import track

from experiments.command_line import parse
from experiments.errors import one_line_errors
from experiments.paper_table import write_table
from experiments.running import cache_compilations
from mixup_jax.data.locations import default_data_dir
from mixup_jax.data.splits import Split, make_splits
from mixup_jax.data.tabular import TabularData, read_csv
from mixup_jax.data.uci import UCI, load_tabular
from mixup_jax.models.mlp import MLP
from mixup_jax.report.tables import Row, Table
from mixup_jax.training.record import write_json
from mixup_jax.training.short import Short, predict, train_short
from mixup_jax.training.side_by_side import side_by_side

TABLE_4 = {  # average test error, %, of ERM and of mixup; unconfirmed
    "abalone": (74.0, 73.6),
    "arcene": (57.6, 48.0),
    "arrhythmia": (56.6, 46.3),
    "htru2": (2.0, 2.0),
    "iris": (21.3, 17.3),
    "phishing": (16.3, 15.2),
}
COLUMNS = ("test error, %", "minus ERM, points", "training error, %")
Errors = dict[str, np.ndarray]
"""`test` and `train`: errors in per cent, (seeds, alphas), ERM first."""


@dataclass(frozen=True)
class Tabular:
    """What is trained."""

    # Paper: splits, scaling, repeats and alpha are not stated; the defaults are ours.
    datasets: tuple[str, ...] = tuple(UCI)
    """Tables of the paper."""
    csv: Path | None = None
    """A table of your own instead: a CSV file with a line of names."""
    target: str | None = None
    """Its column of classes."""
    alphas: tuple[float, ...] = (0.1, 0.2, 0.4, 1.0)
    """Of mixup; ERM is always there."""
    seeds: int = 20
    """Splits; each has first weights and an order of its own, the same for every alpha."""
    epochs: float = 10.0
    """Passes through the training rows."""
    batch_size: int = 16
    """Rows a step."""
    width: int = 128
    """Units of each of the two hidden layers."""
    test_share: float = 0.2
    """Share of the rows that are tested on, in each class."""
    data_dir: Path | None = None
    """Folder with data sets. Default: the environment variable MIXUP_JAX_DATA, or the cache folder."""
    workdir: Path | None = None
    """Folder of the results, runs/tabular/PRESET if left out."""
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False
    """Two splits of iris, two epochs: does everything work here?"""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if (self.csv is None) != (self.target is None):
            raise ValueError("--csv and --target go together: a file and its column of classes.")
        unknown = [name for name in self.datasets if name not in UCI]
        if unknown or not self.datasets:
            raise ValueError(f"datasets must be among {', '.join(UCI)}, got {', '.join(unknown) or 'none'}.")
        positive = all(0 < alpha < float("inf") for alpha in self.alphas)
        if not self.alphas or len({*self.alphas}) < len(self.alphas) or not positive:
            raise ValueError(f"alphas must be different positive numbers (ERM is always there), got {self.alphas}.")
        for name in ("seeds", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.epochs < float("inf"):
            raise ValueError(f"epochs must be positive, got {self.epochs}.")


PRESETS = {
    "paper": ("The paper's 10 epochs.", Tabular()),
    "extended": ("100 epochs: long enough to overfit.", Tabular(epochs=100.0)),
}


def main() -> None:
    """Read the command line, train on each table, write the results."""
    preset, job = parse("tabular", __doc__ or "", PRESETS, "paper", sys.argv[1:])
    cache_compilations()
    workdir = job.workdir or Path("runs") / "tabular" / (f"{preset}-smoke" if job.smoke else preset)
    run(job, workdir)
    print(f"\n{workdir}: table.json, tabular.json, figures/differences.png")


def run(job: Tabular, workdir: Path) -> Table:
    """Train all networks of a job, a program for each table; write the results, and return their table."""
    if job.smoke:
        small = {"datasets": ("iris",), "seeds": 2, "epochs": 2.0, "alphas": job.alphas[:1]}
        job = Tabular(**{**vars(job), **small})
    tables, errors = load_tables(job), {}
    for data in track(tables, description="tables", transient=True, console=Console(stderr=True)):
        missing = f", {data.missing} missing values" if data.missing else ""
        rows, columns = data.features.shape
        print(f"{data.name}: {rows} rows, {columns} columns, {len(data.classes)} classes{missing}")
        errors[data.name] = measure(data, job)
    write_json(
        workdir / "tabular.json",
        {
            "alphas": [0.0, *job.alphas],
            "errors": {name: {part: each.tolist() for part, each in found.items()} for name, found in errors.items()},
        },
    )
    draw(errors, job.alphas, workdir)
    return write_table(workdir, table(errors, job))


def load_tables(job: Tabular) -> list[TabularData]:
    """Load the tables that were asked for."""
    if job.csv is not None and job.target is not None:
        return [read_csv(job.csv, job.target)]
    data_dir = job.data_dir or default_data_dir()
    return [load_tabular(name, data_dir) for name in job.datasets]


def measure(data: TabularData, job: Tabular) -> Errors:
    """Train a network for each split and alpha, all in one program; return their errors."""
    split = make_splits(data, range(job.seeds), job.test_share)
    rows = split.train_label.shape[1]
    steps = max(1, round(job.epochs * rows / job.batch_size))
    how = Short(MLP(classes=len(data.classes), width=job.width), steps, min(job.batch_size, rows))
    over_alphas = side_by_side(partial(train_and_test, how=how), (None, None, 0))
    program = jax.jit(side_by_side(over_alphas, (0, 0, None)))
    train, test = program(jnp.arange(job.seeds), split, jnp.array([0.0, *job.alphas]))
    return {"test": np.asarray(test), "train": np.asarray(train)}


def train_and_test(seed: Array, split: Split, alpha: Array, how: Short) -> tuple[Array, Array]:
    """Train a network; return its error on the training and on the test rows in per cent."""
    train_x, train_label, test_x, test_label = map(jnp.asarray, split)
    params = train_short(jax.random.key(seed), train_x, train_label, alpha, how)

    def error(x: Array, label: Array) -> Array:
        return 100 * jnp.mean(jnp.argmax(predict(how.model, params, x), axis=1) != label)

    return error(train_x, train_label), error(test_x, test_label)


def draw(errors: Mapping[str, Errors], alphas: tuple[float, ...], workdir: Path) -> None:
    """Draw the paired differences in test error."""
    from mixup_jax.report.differences import differences  # matplotlib takes a second to import
    from mixup_jax.report.drawing import save_png

    values = {
        name: {f"alpha = {alpha:g}": minus_erm(found)[:, i].tolist() for i, alpha in enumerate(alphas, start=1)}
        for name, found in errors.items()
    }
    figure = differences(values, "test error, mixup minus ERM, percentage points")
    save_png(figure, workdir / "figures" / "differences.png")


def minus_erm(errors: Errors) -> np.ndarray:
    """Return the difference in test error to ERM on the same split, (seeds, alphas)."""
    return errors["test"] - errors["test"][:, :1]


def table(errors: Mapping[str, Errors], job: Tabular) -> Table:
    """Make table 4: a group for each data set, ERM and mixup below each other."""
    rows = []
    for name, found in errors.items():
        paper = TABLE_4.get(name, (None, None)) if job.csv is None else (None, None)
        for i, alpha in enumerate((0.0, *job.alphas)):
            columns = found["test"][:, i], minus_erm(found)[:, i] if i else np.empty(0), found["train"][:, i]
            values = tuple(tuple(column.tolist()) for column in columns)
            spread = (
                f"standard deviation of the test error over splits {np.std(values[0], ddof=1):.2f}"
                if job.seeds > 1
                else ""
            )
            label = f"mixup, alpha = {alpha:g}" if i else "ERM"
            rows.append(Row(label, values, (paper[min(i, 1)], None, None), group=name, note=spread))
    return Table(
        experiment="tabular",
        title="Table 4: tabular data",
        text=f"Test error over {job.seeds} stratified splits, {job.epochs:g} epochs, and its difference to ERM's on "
        "the same split. The paper does not state its splits, preprocessing and alpha, and its numbers (unconfirmed; "
        "the same beside each alpha) cannot be reproduced from its text: they stand here for comparison only.",
        mark="REAL",
        dataset="six tables of UCI" if set(errors) == set(UCI) else ", ".join(errors),
        model=f"MLP 2 x {job.width}",
        columns=COLUMNS,
        rows=tuple(rows),
        seeds=tuple(range(job.seeds)),
        source="" if job.csv is not None else "Table 4, unconfirmed; 2 x 128 ReLU, 10 epochs",
        figures=(("figures/differences.png", "Mixup minus ERM on the same splits, with 95 % intervals."),)
        * bool(job.alphas),
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
