"""Figure 2: miss rate and gradient norm in between training examples, ERM against mixup.

Paper (CIFAR-10): at x = lambda x_i + (1 - lambda) x_j the ERM network predicts a class that is neither y_i nor y_j more
often, and its gradients with respect to the input are larger; only the order is stated, read off the curves.

    python -m experiments.between_samples                                  # trains the two small nets first
    python -m experiments.between_samples preact18                         # the paper's pair, 3 seeds: two GPU hours
    python -m experiments.between_samples --erm RUN --mixup RUN --pairs 10000
"""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import Array
from rich.markup import escape
from rich.progress import track

from experiments.commands.errors import call, one_line_errors
from experiments.commands.naming import dataset as describe_data
from experiments.commands.paper_table import provenance_of, write_table
from experiments.commands.settings import check_counts
from experiments.trained_pairs.load import Network
from experiments.trained_pairs.presets import Pair, find_pair
from mixup_jax import Mix, mix
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.evaluation.between import Scalar, gradient_norms, misses
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.report.tables import Row, Table
from mixup_jax.runtime.atomic import write_json
from mixup_jax.steps.state import TrainState

LAMBDAS = np.linspace(0, 1, 21, dtype=np.float32)
BATCH = 250
Examples = tuple[Array, Array]
"""Pixels uint8 (batch, ...) and class ids (batch,)."""


def main(pair: tyro.conf.OmitArgPrefixes[Pair], *, pairs: int | None = None, scalar: Scalar = "max_logit") -> None:
    """Measure trained networks between random pairs of training examples; draw both curves of figure 2.

    Args:
        pair: The networks.
        pairs: Random pairs of different training examples, the same for both networks. Default: 1000, with preact18
            10000.
        scalar: The differentiated function: the largest logit, the loss at the mixed label, or all logits (jacobian).
    """
    check_counts({"pairs": (pairs, 10**7)})
    if pair.preset == "resnet101":
        raise ValueError("preset resnet101 has no training images in memory; use small or preact18.")
    workdir = pair.folder("between_samples")
    networks = find_pair("between_samples", pair)
    count = pairs or {"preact18": 10_000}.get(pair.preset, 1_000)
    count = min(count, 50) if pair.smoke else count
    curves = {network.name: measure(network, count, scalar) for network in networks}
    write_json(
        workdir / "between.json",
        {
            "runs": {network.name: [result["command"] for result in network.results] for network in networks},
            "pairs": count,
            "scalar": scalar,
            "lam": LAMBDAS.tolist(),
            "curves": {name: {key: value.tolist() for key, value in each.items()} for name, each in curves.items()},
        },
    )
    draw(curves, workdir)
    write_table(workdir, table(curves, networks, count), provenance_of(networks))
    print(f"\n{workdir}: table.json, between.json, figures/")


def measure(network: Network, pairs: int, scalar: Scalar) -> dict[str, np.ndarray]:
    """Return curves (seeds, lambdas), means over the pairs; `_different`: over those with different labels.

    `miss` is in per cent, `gradient_norm` as in `at_points`, `margin` the largest logit minus the second.
    """
    data = network.data
    if isinstance(data, StreamedDataset):
        raise ValueError(f"{data.name} stays on disk; this experiment needs its training images in memory.")
    first, second = draw_pairs(len(data.train_label), pairs)
    images, labels = np.asarray(data.train_image), np.asarray(data.train_label)
    different = labels[first] != labels[second]
    if not different.any():
        raise ValueError(f"none of the {pairs} pairs is of two classes; take more --pairs.")
    point, rows = jax.jit(partial(at_points, network, scalar), compiler_options=compiler_options()), []
    for seed in track(range(len(network.seeds)), description=escape(network.name), transient=True):
        state, each = network.trained.of_seed(seed), []
        for start in range(0, pairs, BATCH):
            i, j = first[start : start + BATCH], second[start : start + BATCH]
            here = [point(state, (images[i], labels[i]), (images[j], labels[j]), lam) for lam in LAMBDAS]
            each.append([np.stack(values) for values in zip(*here, strict=True)])
        rows.append([np.concatenate(values, axis=1) for values in zip(*each, strict=True)])
    miss, norm, margin = (np.stack(values) for values in zip(*rows, strict=True))
    measured = {"miss": 100 * miss, "gradient_norm": norm, "margin": margin}
    everywhere = {name: value.mean(axis=2) for name, value in measured.items()}
    return everywhere | {f"{name}_different": value[:, :, different].mean(axis=2) for name, value in measured.items()}


def at_points(
    network: Network, scalar: Scalar, state: TrainState, first: Examples, second: Examples, lam: Array
) -> tuple[Array, Array, Array]:
    """Return misses, gradient norms and margins at ``lam x_i + (1 - lam) x_j``, each (batch,).

    Norms are with respect to pixels in [0, 1], before normalisation. The paper does not state the scale.
    """
    size, classes = len(first[1]), len(network.identity.classes)
    plan = Mix(jnp.full(size, lam), jnp.arange(size))
    own, other = ((x.astype(jnp.float32), jax.nn.one_hot(y, classes)) for x, y in (first, second))
    x, target = mix(plan, own, other)
    logits_fn = partial(network.trained.logits, state)  # of pixels from 0 to 255; the factor 255 below rescales
    logits = logits_fn(x)
    largest = jax.lax.top_k(logits, 2)[0]
    norms = 255 * gradient_norms(logits_fn, x, target, scalar)
    return misses(logits, first[1], second[1]), norms, largest[:, 0] - largest[:, 1]


def draw_pairs(examples: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of different training examples, the same for every network."""
    rng_first, rng_step = jax.random.split(jax.random.key(0))
    first = jax.random.randint(rng_first, (pairs,), 0, examples)
    second = (first + jax.random.randint(rng_step, (pairs,), 1, examples)) % examples
    return np.asarray(first), np.asarray(second)


def draw(curves: dict[str, dict[str, np.ndarray]], workdir: Path) -> None:
    """Draw both curves of figure 2."""
    from mixup_jax.report.plots.drawing import save_png
    from mixup_jax.report.plots.paper_figures import curve_over_lambda

    for key, label in {"miss": "miss rate, %", "gradient_norm": "norm of the gradient"}.items():
        figure = curve_over_lambda(LAMBDAS, {name: each[key] for name, each in curves.items()}, label)
        save_png(figure, workdir / "figures" / f"{key}.png")


def table(curves: dict[str, dict[str, np.ndarray]], networks: tuple[Network, Network], pairs: int) -> Table:
    """Summarise figure 2: a row per network."""
    values = {}
    for name, each in curves.items():
        miss, norm, margin = (each[key].mean(axis=1) for key in ("miss", "gradient_norm", "margin"))
        values[name] = (miss, each["miss"][:, len(LAMBDAS) // 2], norm, norm / margin)
    config = networks[0].config
    return Table(
        experiment="between_samples",
        title="Figure 2: in between training examples",
        text=f"At lambda x_i + (1 - lambda) x_j, for {pairs:,} pairs of different training images: how often the "
        "prediction is neither of the two labels (a miss), and how large the gradient with respect to the input is, "
        "also over the mean margin (the largest logit minus the second), since logits differ in scale. The paper "
        "states the order only, for CIFAR-10: mixup misses less often, and its gradients are smaller.",
        mark=networks[0].identity.mark,
        dataset=describe_data(config.data),
        model=config.model.name,
        columns=(
            "miss rate, mean over lambda, %",
            "miss rate at lambda = 0.5, %",
            "gradient norm, mean over lambda",
            "gradient norm over margin",
        ),
        rows=tuple(
            Row(name, tuple(tuple(column.tolist()) for column in columns), (None,) * 4)
            for name, columns in values.items()
        ),
        seeds=networks[0].seeds,
        figures=(
            ("figures/miss.png", "Figure 2(a): miss rate. Lines are means over seeds, bands lowest to highest."),
            ("figures/gradient_norm.png", "Figure 2(b): norm of the gradient with respect to the input."),
        ),
    )


if __name__ == "__main__":
    with one_line_errors():
        call(main, prog="python -m experiments.between_samples")
