"""Table 2: training on corrupted labels, ERM, dropout, mixup, and both.

Paper (CIFAR-10, PreAct ResNet-18), best and last test error in per cent. 20 % of the labels corrupted: ERM 12.7, 16.6;
dropout (p = 0.7) 8.8, 10.4; mixup (alpha = 8) 5.9, 6.4; both (alpha = 4, p = 0.1) 6.2, 6.2. 50 %: 18.8, 44.6; 14.1,
15.5; 11.3, 12.7; 10.9, 10.9. 80 %: 36.5, 73.9; 30.9, 35.1; 25.3, 30.9; 24.0, 24.8.

    python -m experiments.corrupted_labels preact18 --dataset cifar10      # the paper's grid: 75 nets, a day on one GPU
    python -m experiments.corrupted_labels small --dataset fashion_mnist   # an hour or two on two CPU cores
"""

from dataclasses import dataclass, field, replace
from typing import Any

from experiments.cifar import PAPER, SMALL
from experiments.commands.grid import Result, Results, leave_to_the_table, run_grid
from experiments.commands.naming import dataset
from experiments.commands.running import Job
from mixup_jax.choices import Data, Erm
from mixup_jax.config import Config
from mixup_jax.report.tables import Row, Table

COLUMNS = ("best, %", "last, %", "train, real, %", "train, corrupted, %")


@dataclass(frozen=True)
class Grid:
    """What is tried at each rate of corruption."""

    rates: tuple[float, ...] = (0.2, 0.5, 0.8)
    """Shares of the training labels replaced by a class drawn uniformly."""
    mixup_alphas: tuple[float, ...] = (1.0, 2.0, 8.0, 32.0)
    """Alphas of mixup, trained side by side."""
    dropouts: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9)
    """Probabilities of dropping, of dropout alone."""
    both_alphas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    """Alphas of mixup with dropout, trained side by side."""
    both_dropouts: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    """Probabilities of mixup with dropout."""

    def __post_init__(self) -> None:
        """Refuse rates that are none; alphas and probabilities are refused where they are used."""
        if not self.rates or not all(0 < rate <= 1 for rate in self.rates):
            raise ValueError(f"rates must be above 0 and at most 1 (0 is experiments.cifar), got {self.rates}.")
        for name, values in vars(self).items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must be different numbers, got {values}.")
            if 0 in values:
                raise ValueError(f"{name} must not hold 0: ERM is a row of its own.")


@dataclass(frozen=True)
class TableTwo(Job):
    """A base configuration, and what the grid changes in it."""

    grid: Grid = field(default_factory=Grid)


# Paper: 0.1 is in its table, but not in the grid that it names; it is in ours.
PRESETS = {
    "preact18": ("PreAct ResNet-18, the paper's recipe and grid.", TableTwo(PAPER)),
    "small": (
        "A small PreAct ResNet until ERM knows its labels by heart, one point of the grid for each method.",
        TableTwo(
            replace(SMALL, data=replace(SMALL.data, train_examples=3000)),
            grid=Grid(mixup_alphas=(8.0,), dropouts=(0.7,), both_alphas=(8.0,), both_dropouts=(0.3,)),
        ),
    ),
}

TABLE_2 = {  # rate, dropout, alpha -> its row of the paper: best, last, training error on real and on corrupted labels
    (0.2, 0.0, 0.0): (12.7, 16.6, 0.05, 0.28),
    (0.2, 0.7, 0.0): (8.8, 10.4, 5.26, 83.55),
    (0.2, 0.0, 8.0): (5.9, 6.4, 2.27, 86.32),
    (0.2, 0.1, 4.0): (6.2, 6.2, 1.92, 85.02),
    (0.5, 0.0, 0.0): (18.8, 44.6, 0.26, 0.64),
    (0.5, 0.8, 0.0): (14.1, 15.5, 12.71, 86.98),
    (0.5, 0.0, 32.0): (11.3, 12.7, 5.84, 85.71),
    (0.5, 0.3, 8.0): (10.9, 10.9, 7.56, 87.90),
    (0.8, 0.0, 0.0): (36.5, 73.9, 0.62, 0.83),
    (0.8, 0.8, 0.0): (30.9, 35.1, 29.84, 86.37),
    (0.8, 0.0, 32.0): (25.3, 30.9, 18.92, 85.44),
    (0.8, 0.3, 8.0): (24.0, 24.8, 19.70, 87.67),
}
OURS = ("data.label_noise", "mixing.name", "mixing.alpha", "model.dropout")


def configs(job: TableTwo) -> dict[str, Config]:
    """Return the runs: at each rate ERM, dropout, mixup with all its alphas, and both.

    >>> list(configs(TableTwo(SMALL, grid=Grid((0.2,), (1.0, 8.0), (0.5,), (4.0,), (0.3,)))))
    ['20-erm', '20-dropout-0.5', '20-mixup', '20-both-0.3']
    """
    leave_to_the_table(job.config, SMALL, OURS, "--rates, --mixup-alphas, --dropouts, --both-alphas, --both-dropouts")
    grid, found = job.grid, {}
    for rate in grid.rates[:1] if job.smoke else grid.rates:
        data = replace(job.config.data, label_noise=rate)
        rows = [("erm", 0.0, ())]
        rows += [(f"dropout-{dropout:g}", dropout, ()) for dropout in grid.dropouts]
        rows += [("mixup", 0.0, grid.mixup_alphas)] if grid.mixup_alphas else []
        rows += [(f"both-{dropout:g}", dropout, grid.both_alphas) for dropout in grid.both_dropouts if grid.both_alphas]
        for name, dropout, alphas in rows:
            mixing = replace(job.config.mixing, alpha=alphas) if alphas else Erm()
            model: Any = replace(job.config.model, dropout=dropout) if dropout else job.config.model
            found[f"{100 * rate:g}-{name}"] = replace(job.config, data=data, mixing=mixing, model=model)
    return found


def table(job: TableTwo, results: Results) -> Table:
    """Make table 2 of the results, the whole grid."""
    config, first = next(iter(results.items()))
    return Table(
        experiment="corrupted_labels",
        title="Table 2: training on corrupted labels",
        text="Best and last test error, and the training error after the last epoch on the labels as given: those "
        "left alone and those drawn at random. The paper's numbers are for PreAct ResNet-18 on all of CIFAR-10; a "
        "smaller net or other data shows their order, not their size.",
        mark=first["mark"],
        dataset=first["dataset"].removesuffix(dataset(Data("", label_noise=config.data.label_noise))),
        model=first["model"],
        columns=COLUMNS,
        rows=tuple(row(config, result) for config, result in results.items()),
        seeds=tuple(first["seeds"]),
        source="Table 2; CIFAR-10, PreAct ResNet-18, 200 epochs",
    )


def row(config: Config, result: Result) -> Row:
    """Make the row of a network."""
    rate, errors = config.data.label_noise, result["test_error"]
    groups = [result.get(f"train_error_{group}", []) for group in ("real", "corrupted")]
    where = rate, getattr(config.model, "dropout", 0.0), config.mixing.alphas[0]
    return Row(
        label=result["method"],
        values=tuple(map(tuple, (errors["best"], errors["last"], *groups))),
        paper=TABLE_2.get(where, (None,) * len(COLUMNS)),
        group=f"{100 * rate:g} % of the labels drawn at random, {100 * result['wrong_labels']:.1f} % wrong",
    )


if __name__ == "__main__":
    run_grid("corrupted_labels", __doc__ or "", PRESETS, default="small", configs=configs, table=table)
