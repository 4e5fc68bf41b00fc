"""Draw the mixing family: rows of images that methods made, and how lambda is distributed."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy import stats

from mixup_jax.report.drawing import MUTED, PALETTE, styled


@styled
def method_rows(
    rows: Mapping[str, tuple[Float[np.ndarray, "draws height width channels"], Float[np.ndarray, "draws classes"]]],
    class_names: Sequence[str],
) -> Figure:
    """Draw one row of images for each method, with the soft label of each below; images are in [0, 1].

    Raises ValueError for no rows, or rows of different length.
    """
    counts = {len(images) for images, _ in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"rows hold {sorted(counts)} images; all must have the same number")
    columns = counts.pop()
    figure = Figure(figsize=(1.15 * columns + 0.1, 1.75 * len(rows)))
    bands = np.atleast_1d(np.asarray(figure.subfigures(len(rows), 1, hspace=0.07), dtype=object))
    for band, (name, (images, labels)) in zip(bands, rows.items(), strict=True):
        band.suptitle(name, fontsize=10, fontweight="bold", x=0.01, horizontalalignment="left")
        grid = band.subplots(1, columns, squeeze=False)[0]
        for axes, image, label in zip(grid, images, labels, strict=True):
            shown = np.clip(image, 0, 1)
            axes.imshow(shown[:, :, 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.set_xlabel(shares(label, class_names), fontsize=7.5, linespacing=1.3)
    figure.set_label(f"The same images mixed by {', '.join(rows)}; below each the shares of its label.")
    return figure


def shares(label: Float[np.ndarray, "classes"], class_names: Sequence[str]) -> str:
    """Write a soft label, one class a line, those without a share left out.

    >>> shares(np.array([0.25, 0.75, 0.0]), ("cat", "dog", "cow")).splitlines()
    ['0.25 cat', '0.75 dog']
    """
    return "\n".join(f"{share:.2f} {name}" for share, name in zip(label, class_names, strict=True) if share > 5e-3)


@styled
def lambda_histograms(draws: Mapping[float, Float[np.ndarray, "draws"]]) -> Figure:
    """Draw for each alpha the histogram of lambdas that were really drawn, and the density of Beta(alpha, alpha)."""
    figure = Figure(figsize=(2.1 * len(draws), 2.4))
    grid = figure.subplots(1, len(draws), squeeze=False, sharey=True)[0]
    lam = np.linspace(0, 1, 401)[1:-1]
    for axes, (alpha, drawn) in zip(grid, draws.items(), strict=True):
        axes.hist(drawn, bins=40, range=(0, 1), density=True, color=PALETTE[5], edgecolor="white", linewidth=0.3)
        axes.plot(lam, stats.beta.pdf(lam, alpha, alpha), color=PALETTE[1], linewidth=1.5)
        axes.set(title=f"α = {alpha:g}", xlabel="λ", xlim=(0, 1), ylim=(0, 6), xticks=[0, 0.5, 1])
        beyond = float(np.mean((drawn < 1 / 40) | (drawn > 39 / 40)))
        if beyond > 0.2:
            text = f"{100 * beyond:.0f} % in\nthe outer bins"
            axes.text(0.5, 5.6, text, ha="center", va="top", fontsize=8, color=MUTED)
    grid[0].set_ylabel("density")
    names = ", ".join(f"{alpha:g}" for alpha in draws)
    figure.set_label(f"Histograms of drawn lambdas and densities of Beta(alpha, alpha) for alpha {names}.")
    return figure
