"""Figure 4: classification of spoken words, LeNet and VGG-11, ERM against mixup.

Paper (Google commands), error on validation and test set in per cent. LeNet: ERM 9.8, 10.3; mixup, alpha = 0.1: 10.1,
10.8; alpha = 0.2: 10.2, 11.3. VGG-11: 5.0, 4.6; 4.0, 3.8; 3.9, 3.4. So mixup is worse than ERM on LeNet and better on
VGG-11.

    python -m experiments.speech figure4                                # the paper's: about an hour on one GPU
    python -m experiments.speech small --dataset fsdd:theo --data-dir DATA   # a speaker held out; 20 minutes of a core
    python -m experiments.speech small --dataset speech:words           # words of experiments.prepare_speech
    python -m experiments.speech small --mix waveform --data-dir DATA   # mix before the spectrogram
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

from experiments.commands.grid import Results, leave_to_the_table, run_grid
from experiments.commands.running import Job
from experiments.commands.settings import check_counts
from mixup_jax.choices import Adam, Data, Erm, Mixup, Step
from mixup_jax.choices.networks import VGG11, LeNet
from mixup_jax.config import Config
from mixup_jax.config_checks import WIDEST
from mixup_jax.report.tables import Row, Table

# Paper: its words on Adam and on the unmixed epochs are unconfirmed; it is silent on whether these are five of the 30.
PAPER = Config(
    data=Data("speech_commands", pad_crop=0, flip=False),
    mixing=Mixup(alpha=(0.0, 0.1, 0.2), unmixed_epochs=5.0),
    optimizer=Adam(lr=3e-3, weight_decay=0.0),
    schedule=Step(decay_epochs=(10.0, 20.0)),
    batch_size=100,
    epochs=30.0,
)
FIGURE_4 = {  # network, alpha -> error in per cent on the validation and on the test set
    ("lenet", 0.0): (9.8, 10.3),
    ("lenet", 0.1): (10.1, 10.8),
    ("lenet", 0.2): (10.2, 11.3),
    ("vgg11", 0.0): (5.0, 4.6),
    ("vgg11", 0.1): (4.0, 3.8),
    ("vgg11", 0.2): (3.9, 3.4),
}
NAMES = {"lenet": "LeNet", "vgg11": "VGG-11"}
COLUMNS = ("validation, %", "test, %", "test, minus ERM, points")


@dataclass(frozen=True)
class FigureFour(Job):
    """A base configuration, and the networks that are trained with it, all alphas side by side."""

    networks: tuple[Literal["lenet", "vgg11"], ...] = ("lenet", "vgg11")
    """Networks to train."""
    lenet_width: int = 20
    """Channels of LeNet's convolutions, 20 in the paper's; its hidden layer has 50 times as many units."""
    vgg_width: int = 64
    """Channels of VGG-11's first convolution, 64 in the paper's."""

    def __post_init__(self) -> None:
        """Refuse a figure of nothing."""
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError(f"networks must be different ones of {', '.join(NAMES)}, got {self.networks}.")
        check_counts({"lenet_width": (self.lenet_width, WIDEST), "vgg_width": (self.vgg_width, WIDEST)})

    def taken(self, config: Config) -> Self:
        """Return the job that trains the network of a configuration alone."""
        name, width = config.model.name, getattr(config.model, "width", 0)
        if name not in NAMES:
            raise ValueError(f"--config: model {name} is none of the figure's, {', '.join(NAMES)}.")
        widths = {"lenet_width": width} if name == "lenet" else {"vgg_width": width}
        return replace(self, config=replace(config, model=PAPER.model), networks=(name,), **widths)


PRESETS = {
    "figure4": ("LeNet and VGG-11, the paper's recipe.", FigureFour(PAPER)),
    "small": (
        "Narrow networks, 800 recordings, 15 epochs with batches of 25; else the paper's recipe. 20 minutes of a core.",
        FigureFour(
            replace(
                PAPER,
                data=replace(PAPER.data, dataset="fsdd", train_examples=800),
                mixing=Mixup(alpha=(0.0, 0.1, 0.2), unmixed_epochs=2.5),
                schedule=Step(decay_epochs=(5.0, 10.0)),
                batch_size=25,
                epochs=15.0,
                eval_every=5.0,
                seeds=3,
            ),
            lenet_width=8,
            vgg_width=8,
        ),
    ),
}


def configs(job: FigureFour) -> dict[str, Config]:
    """Return the runs: a network each, with all alphas.

    >>> [config.model.width for config in configs(PRESETS["figure4"][1]).values()]
    [20, 64]
    """
    leave_to_the_table(job.config, PAPER, ("model", "mixing.name"), "--networks, --lenet-width, --vgg-width, --alphas")
    models = {
        "lenet": LeNet(width=job.lenet_width, dropout=0.5),
        "vgg11": VGG11(width=job.vgg_width),
    }
    mixing = job.config.mixing
    if job.smoke and job.config.side_by_side:  # the first and the last are enough to see whether everything works
        mixing = replace(mixing, alpha=tuple(dict.fromkeys((mixing.alphas[0], mixing.alphas[-1]))))
    return {name: replace(job.config, model=models[name], mixing=mixing) for name in job.networks}


def table(job: FigureFour, results: Results) -> Table:
    """Make the figure's table of the results."""
    first = next(iter(results.values()))
    return Table(
        experiment="speech",
        title="Figure 4: speech, LeNet and VGG-11",
        text="Error after the last epoch; differences are paired over seeds, positive where ERM is better. Without a "
        "validation set there is a test error only. The paper's numbers are for all of Google commands and its full "
        "networks; elsewhere their signs can be compared, not their size.",
        mark=first["mark"],
        dataset=first["dataset"],
        model=", ".join(NAMES[name] for name in job.networks),
        columns=COLUMNS,
        rows=tuple(row(config, results) for config in results),
        seeds=tuple(first["seeds"]),
        source="Figure 4; Google commands, 30 epochs",
    )


def row(config: Config, results: Results) -> Row:
    """Make the row of a network and an alpha."""
    network, alpha = config.model.name, config.mixing.alphas[0]
    result, erm = results[config], results.get(replace(config, mixing=Erm()))
    error = result["test_error"]["last"]
    theirs, base = FIGURE_4.get((network, alpha)), FIGURE_4[network, 0.0]
    change = []
    if erm is not None and alpha:
        change = [mine - other for mine, other in zip(error, erm["test_error"]["last"], strict=True)]
    paper = (*theirs, round(theirs[1] - base[1], 1) if alpha else None) if theirs else (None,) * len(COLUMNS)
    width = f", width {config.model.width}"
    return Row(
        label="ERM" if not alpha else f"mixup, alpha = {alpha:g}",
        values=tuple(map(tuple, (result.get("valid_error", []), error, change))),
        paper=paper,
        group=NAMES[network] + width,
    )


if __name__ == "__main__":
    run_grid("speech", __doc__ or "", PRESETS, default="small", configs=configs, table=table)
