"""Table 5: which part of mixup matters? Partners, hidden layers, labels, and other regularisers, for two weight decays.

Paper (CIFAR-10, PreAct ResNet-18), median test error of the last 10 epochs in per cent, weight decay 1e-4 and 5e-4.
ERM 5.53, 5.18; mixup 4.24, 4.68 (both confirmed by the first author's re-run); mixup with the inputs of the last layers
up to 5.95; inputs only 5.17 to 5.72; label smoothing 5.02 to 5.34; both 4.98 to 5.40; Gaussian noise 5.04 to 7.24.

    python -m experiments.ablation preact18 --dataset cifar10           # 44 nets a seed: half a day on one GPU
    python -m experiments.ablation small --dataset fashion_mnist        # some hours on two CPU cores
    python -m experiments.ablation small --only erm mixup "layer 2" --weight-decays 1e-4
"""

from dataclasses import dataclass, replace
from typing import Any

from experiments.cifar import PAPER, SMALL
from experiments.commands.grid import Results, leave_to_the_table, run_grid
from experiments.commands.running import Job
from mixup_jax.choices import Erm, Mixup
from mixup_jax.config import Config
from mixup_jax.report.tables import Row, Table


@dataclass(frozen=True)
class Variant:
    """A row of the table: what it changes, and the paper's numbers for both weight decays."""

    group: str
    label: str
    paper: tuple[float, float]
    mixes: bool = True
    partner: str = "permutation"
    layer: str = "input"
    labels: str = "mix"
    smoothing: float = 0.0
    noise: float = 0.0

    def apply(self, config: Config, weight_decay: float) -> Config:
        """Return the configuration of this row, in the column of a weight decay."""
        changes: dict[str, Any] = {name: getattr(self, name) for name in ("partner", "layer", "labels")}
        if not self.partner.endswith("neighbours"):
            changes["neighbours"] = None
        return replace(
            config,
            mixing=replace(config.mixing, **changes) if self.mixes else Erm(),
            label_smoothing=self.smoothing,
            data=replace(config.data, noise=self.noise),
            optimizer=replace(config.optimizer, weight_decay=weight_decay),
        )


# AC, SC: all classes, the same class; RP, KNN: random pairs, one of the 200 nearest neighbours. SC + KNN is SMOTE.
HIDDEN, SMOOTHED = "labels and hidden states (AC + RP)", "inputs only (AC + RP) and label smoothing"
VARIANTS = {
    "erm": Variant("", "ERM", (5.53, 5.18), mixes=False),
    "mixup": Variant("", "mixup, AC + RP", (4.24, 4.68)),
    "mixup knn": Variant("", "mixup, AC + KNN", (4.98, 5.26), partner="neighbours"),
    "layer 1": Variant(HIDDEN, "layer 1", (4.44, 4.51), layer="stage1"),
    "layer 2": Variant(HIDDEN, "layer 2", (4.56, 4.61), layer="stage2"),
    "layer 3": Variant(HIDDEN, "layer 3", (5.39, 5.55), layer="stage3"),
    "layer 4": Variant(HIDDEN, "layer 4", (5.95, 5.43), layer="stage4"),
    "layer 5": Variant(HIDDEN, "layer 5", (5.39, 5.15), layer="head"),
    "inputs sc knn": Variant(
        "inputs only", "SC + KNN (SMOTE)", (5.45, 5.52), partner="same_class_neighbours", labels="larger"
    ),
    "inputs ac knn": Variant("inputs only", "AC + KNN", (5.43, 5.48), partner="neighbours", labels="larger"),
    "inputs sc rp": Variant("inputs only", "SC + RP", (5.23, 5.55), partner="same_class", labels="larger"),
    "inputs ac rp": Variant("inputs only", "AC + RP", (5.17, 5.72), labels="larger"),
    **{
        f"smoothing {share:g}": Variant("label smoothing", f"epsilon = {share:g}", paper, mixes=False, smoothing=share)
        for share, paper in ((0.05, (5.25, 5.02)), (0.1, (5.33, 5.17)), (0.2, (5.34, 5.06)))
    },
    **{
        f"inputs smoothing {share:g}": Variant(
            SMOOTHED, f"epsilon = {share:g}", paper, labels="larger", smoothing=share
        )
        for share, paper in ((0.05, (5.02, 5.40)), (0.1, (5.08, 5.09)), (0.2, (4.98, 5.06)), (0.4, (5.25, 5.39)))
    },
    **{
        f"noise {sigma:g}": Variant("Gaussian noise", f"sigma = {sigma:g}", paper, mixes=False, noise=sigma)
        for sigma, paper in ((0.05, (5.53, 5.04)), (0.1, (6.41, 5.86)), (0.2, (7.16, 7.24)))
    },
}
SMOKE = ("erm", "mixup knn", "layer 2", "inputs sc rp")
WEIGHT_DECAYS = (1e-4, 5e-4)
KNN = Mixup(partner="neighbours", neighbours=200)
"""Of the base configuration: its number of neighbours is for the rows that have some."""


@dataclass(frozen=True)
class TableFive(Job):
    """A base configuration, and which rows and columns of the table are made of it."""

    only: tuple[str, ...] = tuple(VARIANTS)
    """Rows to make; the default is all."""
    weight_decays: tuple[float, ...] = WEIGHT_DECAYS
    """The columns."""

    def __post_init__(self) -> None:
        """Refuse rows that there are not."""
        unknown = [name for name in self.only if name not in VARIANTS]
        if unknown or not self.only:
            raise ValueError(f"only must name rows of {', '.join(VARIANTS)}; got {', '.join(unknown) or 'none'}.")
        if not self.weight_decays:
            raise ValueError("weight_decays must be at least one number.")
        for name in ("only", "weight_decays"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} must be different, got {getattr(self, name)}.")


PRESETS = {
    "preact18": (
        "PreAct ResNet-18, the paper's recipe.",
        TableFive(replace(PAPER, mixing=KNN)),
    ),
    "small": (
        "The small network and the 4,000 images of experiments.cifar; it has no layer 4.",
        TableFive(
            # The neighbours are the same share of the images as 200 of 50,000.
            replace(SMALL, mixing=replace(KNN, neighbours=16)),
            only=tuple(name for name in VARIANTS if name != "layer 4"),
        ),
    ),
}


OURS = (
    "mixing.name",
    "mixing.alpha",
    "mixing.partner",
    "mixing.layer",
    "mixing.labels",
    "label_smoothing",
    "data.noise",
    "optimizer.weight_decay",
)


def configs(job: TableFive) -> dict[str, Config]:
    """Return the runs, row by row.

    >>> list(configs(TableFive(PRESETS["small"][1].config, only=("layer 2",))))
    ['layer-2-wd-0.0001', 'layer-2-wd-0.0005']
    """
    leave_to_the_table(job.config, PRESETS["small"][1].config, OURS, "--only, --weight-decays")
    return {
        f"{name.replace(' ', '-')}-wd-{decay:g}": VARIANTS[name].apply(job.config, decay)
        for name in names(job)
        for decay in decays(job)
    }


def names(job: TableFive) -> tuple[str, ...]:
    """Return the rows to make, a few of them if it is only to see whether everything works."""
    whole = any(job.only == table.only for _, table in PRESETS.values())
    return SMOKE if job.smoke and whole else job.only


def decays(job: TableFive) -> tuple[float, ...]:
    """Return the weight decays, one of them if it is only to see whether everything works."""
    return job.weight_decays[:1] if job.smoke else job.weight_decays


def table(job: TableFive, results: Results) -> Table:
    """Make table 5 of the results."""
    first = next(iter(results.values()))
    return Table(
        experiment="ablation",
        title="Table 5: which part of mixup matters",
        text="Median test error of the last 10 epochs. AC, SC: partners of all classes, of the same class; RP, KNN: "
        "random pairs, nearest neighbours. The paper's numbers are for PreAct ResNet-18 on all of CIFAR-10, and only "
        "those of ERM and of mixup (AC + RP) are confirmed.",
        mark=first["mark"],
        dataset=first["dataset"],
        model=first["model"],
        columns=tuple(f"weight decay {decay:g}, %" for decay in decays(job)),
        rows=tuple(row(VARIANTS[name], job, results) for name in names(job)),
        seeds=tuple(first["seeds"]),
        source="Table 5; CIFAR-10, PreAct ResNet-18, 200 epochs",
    )


def row(variant: Variant, job: TableFive, results: Results) -> Row:
    """Make the row of a variant; a run that is missing leaves its place empty."""
    known = dict(zip(WEIGHT_DECAYS, variant.paper, strict=True))
    errors = [
        results[config]["test_error"]["median_last_10"] if config in results else []
        for config in (variant.apply(job.config, decay) for decay in decays(job))
    ]
    return Row(
        label=variant.label,
        values=tuple(map(tuple, errors)),
        paper=tuple(known.get(decay) for decay in decays(job)),
        group=variant.group,
    )


if __name__ == "__main__":
    run_grid("ablation", __doc__ or "", PRESETS, default="small", configs=configs, table=table)
