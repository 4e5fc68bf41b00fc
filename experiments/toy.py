"""Figure 1(b): p(y=1|x) of ERM and mixup over the plane, on a toy problem.

Paper: a picture, no number. Green is class 0, orange class 1, blue shading p(y=1|x), alpha = 1: ERM has a sharp
border, mixup a linear transition between the classes. Under half a minute on two CPU cores.

    python -m experiments.toy
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array

from experiments.commands.errors import call, one_line_errors
from experiments.commands.paper_table import write_table
from experiments.commands.running import cache_compilations, folder_of
from experiments.commands.settings import check_counts
from mixup_jax.config_checks import LARGEST, LEAST_ALPHA, SEEDS
from mixup_jax.data.identity import digest_arrays
from mixup_jax.models.mlp import MLP
from mixup_jax.report.tables import Row, Table, to_json
from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.claim import claimed
from mixup_jax.runtime.identity import jax_settings
from mixup_jax.runtime.provenance import origin
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.short import Short, predict, train_short

# Paper: neither the points nor the network are stated. Ours: a class inside the other's ring, as in its picture, and
# two half-moons; two hidden layers of 128 ReLU, Adam (1e-3), 2,000 steps of 50 of the 400 points.
PROBLEMS = ("circles", "moons")
EXAMPLES, TEST_EXAMPLES, SIDE = 400, 4000, 200
COLUMNS = ("test error, %", "between 0.1 and 0.9, % of the picture")
Points = tuple[np.ndarray, np.ndarray]
"""Points float32 (n, 2) and their classes int32 (n,)."""


def main(
    alpha: float = 1.0,
    seeds: int = 5,
    steps: int = 2000,
    workdir: Path | None = None,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Train ERM and mixup on circles and moons; draw both surfaces p(y=1|x) side by side.

    Args:
        alpha: Strength of mixup, above 0; 1 in the paper.
        seeds: Networks per row of the table; the picture shows the first.
        steps: Steps of Adam.
        workdir: Folder of the results. Default: a folder in runs/toy named after the options above.
        smoke: A quick test with 100 steps and two seeds.
    """
    if not LEAST_ALPHA <= alpha <= LARGEST:
        raise ValueError(f"alpha must be {LEAST_ALPHA:g} to {LARGEST:g} (ERM is always trained too), got {alpha}.")
    check_counts({"seeds": (seeds, SEEDS), "steps": (steps, 10**6)})
    cache_compilations()
    words = [f"alpha-{alpha:g}", f"seeds-{seeds}", f"steps-{steps}"]
    workdir = workdir or folder_of("toy", words, smoke=smoke)
    seeds, steps = (2, 100) if smoke else (seeds, steps)
    settings = {"alpha": alpha, "seeds": seeds, "steps": steps}
    problems = {name: (draw_points(name, EXAMPLES, 0), draw_points(name, TEST_EXAMPLES, 1)) for name in PROBLEMS}
    data = {
        name: digest_arrays({"train": np.c_[train], "test": np.c_[test]}) for name, (train, test) in problems.items()
    }
    here = {"settings": settings, "data": data, "jax": jax_settings(), **origin()}
    path = workdir / "toy.json"
    with claimed(path, here, defaults={}, done=lambda first: "rows" in first) as first:
        methods = {"ERM": 0.0, f"mixup, alpha = {alpha:g}": alpha}
        found = train_all(problems, list(methods.values()), seeds, steps)
        draw(found, tuple(methods), workdir)
        made = write_table(workdir, table(found, tuple(methods), seeds))
        write_json(path, first | {"rows": to_json(made)["rows"]})
    print(f"\n{workdir}: table.json, toy.json, figures/surfaces.png")


def train_all(
    problems: dict[str, tuple[Points, Points]], alphas: list[float], seeds: int, steps: int
) -> dict[str, tuple]:
    """Train the networks of each problem; return p(y=1|x) at test points and picture points, and both data sets."""
    hparams = Short(MLP(classes=2, width=128), steps, batch_size=50)
    over_alphas = over_seeds(partial(train_and_look, hparams=hparams), (None, 0, None, None))
    program = jax.jit(over_seeds(over_alphas, (0, None, None, None)))
    found = {}
    for problem, (train, test) in problems.items():
        points = np.concatenate([test[0], grid_points(train[0])])
        probability = np.asarray(program(jnp.arange(seeds), jnp.array(alphas), train, points))
        found[problem] = probability[:, :, :TEST_EXAMPLES], probability[:, :, TEST_EXAMPLES:], train, test
    return found


def train_and_look(seed: Array, alpha: Array, train: Points, points: Array, hparams: Short) -> Array:
    """Train a network and return its p(y=1|x) at `points` (n, 2), (n,)."""
    x, label = (jnp.asarray(each) for each in train)
    params = train_short(jax.random.key(seed), x, label, alpha, hparams)
    return jax.nn.softmax(predict(hparams.model, params, points))[:, 1]


def draw_points(problem: str, count: int, seed: int) -> Points:
    """Draw `count` points of a problem of scikit-learn, half of them of each class."""
    from sklearn import datasets  # here: it takes a second

    if problem == "circles":  # class 1 around class 0
        x, label = datasets.make_circles(count, noise=0.08, factor=0.45, random_state=seed)
        label = 1 - np.asarray(label)
    else:
        x, label = datasets.make_moons(count, noise=0.15, random_state=seed)
    return np.asarray(x, np.float32), np.asarray(label, np.int32)


def extent(x: np.ndarray) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of the picture: the points and a margin."""
    (left, bottom), (right, top) = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    return float(left), float(right), float(bottom), float(top)


def grid_points(x: np.ndarray) -> np.ndarray:
    """Return the points of the picture, row by row, float32 (SIDE * SIDE, 2)."""
    left, right, bottom, top = extent(x)
    columns = np.meshgrid(np.linspace(left, right, SIDE), np.linspace(bottom, top, SIDE))
    return np.stack(columns, axis=-1).reshape(-1, 2).astype(np.float32)


def draw(found: dict[str, tuple], methods: tuple[str, ...], workdir: Path) -> None:
    """Draw figure 1(b) for the first seed: a row per problem, ERM and mixup side by side."""
    from mixup_jax.report.plots.drawing import save_png
    from mixup_jax.report.plots.paper_figures import Surface, decision_surfaces

    rows = [
        [
            Surface(f"{problem}: {method}", surface.reshape(SIDE, SIDE), train[0], train[1], extent(train[0]))
            for method, surface in zip(methods, surfaces[0], strict=True)
        ]
        for problem, (_, surfaces, train, _) in found.items()
    ]
    save_png(decision_surfaces(rows), workdir / "figures" / "surfaces.png")


def table(found: dict[str, tuple], methods: tuple[str, ...], seeds: int) -> Table:
    """Make the table of figure 1(b): a row per problem and network."""
    rows = []
    for problem, (probability, surfaces, _, test) in found.items():
        right = np.where(test[1] == 1, probability > 0.5, probability <= 0.5)  # NaN is neither
        error = 100 * np.mean(~right, axis=2)
        between = 100 * np.mean(np.abs(surfaces - 0.5) < 0.4, axis=2)
        for i, method in enumerate(methods):
            values = tuple(tuple(each[:, i].tolist()) for each in (error, between))
            rows.append(Row(method, values, (None, None), group=problem))
    return Table(
        experiment="toy",
        title="Figure 1(b): a toy problem",
        text="Two classes in the plane, 400 points; the error on 4,000 others, and the share of the picture on which "
        "p(y=1|x) is between 0.1 and 0.9: the width of the transition between the classes. The paper shows a "
        "picture and no number, and states neither points nor network.",
        mark="SYNTHETIC",
        dataset="scikit-learn's circles (noise 0.08, factor 0.45) and moons (noise 0.15)",
        model="MLP 2 x 128",
        columns=COLUMNS,
        rows=tuple(rows),
        seeds=tuple(range(seeds)),
        figures=(("figures/surfaces.png", "Figure 1(b): p(y=1|x) of ERM and of mixup; seed 0."),),
    )


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.toy")
