"""Draw what mixup is: mixed examples and the density of lambda. A figure's label is its description in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from scipy import special  # scipy.stats takes half a second to import

from mixup_jax.report.plots.drawing import DASHES, PALETTE, drawable, styled

STEPS = 11
"""Lambda is 0, 0.1, ..., 1."""


@styled
def mixed_samples(
    images: UInt8[np.ndarray, "examples height width channels"],
    labels: Sequence[int],
    class_names: Sequence[str],
) -> Figure:
    """Draw each pair of images (first and second, third and fourth, ...) mixed with lambda from 0 to 1.

    One row a pair, `STEPS` columns; below each image is its soft label ``lambda y_i + (1 - lambda) y_j``.
    Images are uint8 with one channel or three. Raises ValueError for an odd number of images.
    """
    if len(images) < 2 or len(images) % 2 or len(labels) != len(images):
        raise ValueError(f"images and labels hold {len(images)} and {len(labels)} examples; pairs need an even number")
    weights = np.linspace(0, 1, STEPS)
    names = [class_names[int(label)] for label in labels]
    drawn = [drawable(name, int(label)) for name, label in zip(names, labels, strict=True)]
    figure = Figure(figsize=(0.95 * STEPS, 1.5 * len(images) / 2 + 0.3))
    grid = figure.subplots(len(images) // 2, STEPS, squeeze=False)
    for row, first in enumerate(range(0, len(images), 2)):
        for column, lam in enumerate(weights):
            axes = grid[row, column]
            axes.imshow(mixed(images[first], images[first + 1], float(lam)), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.set_xlabel(soft_label(drawn[first], drawn[first + 1], float(lam)), fontsize=7.5, linespacing=1.3)
            if row == 0:
                axes.set_title(f"λ = {lam:.2g}", fontsize=8.5, fontweight="normal", loc="center")
    pairs = [f"{names[first]} with {names[first + 1]}" for first in range(0, len(names), 2)]
    figure.set_label(f"Images mixed in {STEPS} steps, lambda from 0 to 1: {'; '.join(pairs)}.")
    return figure


def mixed(
    first: UInt8[np.ndarray, "height width channels"], second: UInt8[np.ndarray, "height width channels"], lam: float
) -> np.ndarray:
    """Mix two images as mixup does, ``lam first + (1 - lam) second``, scaled to [0, 1]; a single channel is dropped."""
    image = (lam * first.astype(np.float32) + (1 - lam) * second.astype(np.float32)) / 255
    return image[:, :, 0] if image.shape[-1] == 1 else image


def soft_label(first: str, second: str, lam: float) -> str:
    """Write the mixed label, larger share first; a class without a share is left out.

    >>> soft_label("cat", "dog", 0.3).splitlines(), soft_label("cat", "cat", 0.3), soft_label("cat", "dog", 1.0)
    (['0.7 dog', '0.3 cat'], 'cat', 'cat')
    """
    first, second = (" ".join(str(name).split())[:14] for name in (first, second))
    if first == second or lam in (0.0, 1.0):
        return first if lam == 1.0 else second
    shares = sorted([(lam, first), (1 - lam, second)], key=lambda share: -share[0])
    return "\n".join(f"{share:.2g} {name}" for share, name in shares)


def smaller_share(alpha: float) -> float:
    """Return E[min(lambda, 1 - lambda)] for lambda ~ Beta(alpha, alpha), the average strength of mixing.

    By symmetry it is twice the integral of lambda over (0, 1/2): the regularised incomplete beta function there.

    >>> round(smaller_share(1.0), 3), round(smaller_share(0.2), 3)
    (0.25, 0.101)
    """
    return float(special.betainc(alpha + 1, alpha, 0.5))


def density(lam: Float[np.ndarray, "points"], alpha: float) -> Float[np.ndarray, "points"]:
    """Return the density of Beta(alpha, alpha) at lambda between 0 and 1.

    >>> density(np.array([0.1, 0.5]), 1.0), density(np.array([0.5]), 2.0)
    (array([1., 1.]), array([1.5]))
    """
    return np.exp((alpha - 1) * np.log(lam * (1 - lam)) - special.betaln(alpha, alpha))


@styled
def beta_densities(alphas: Sequence[float] = (0.1, 0.2, 0.4, 1, 8)) -> Figure:
    """Draw the density of Beta(alpha, alpha), with the average smaller share of a mixed example in the legend."""
    if not alphas or min(alphas) <= 0:
        raise ValueError(f"alphas is {tuple(alphas)}; Beta(alpha, alpha) needs alpha > 0")
    lam = np.linspace(0, 1, 801)[1:-1]
    figure = Figure(figsize=(9, 3.8))
    axes = figure.subplots()
    for index, alpha in enumerate(alphas):
        label = f"α = {alpha:g}   ({smaller_share(alpha):.3f})"
        style = {"color": PALETTE[index % len(PALETTE)], "linestyle": DASHES[index % len(DASHES)]}
        axes.plot(lam, density(lam, alpha), linewidth=1.8, label=label, **style)
    axes.set(title="Density of λ ~ Beta(α, α)", xlabel="λ", ylabel="density", xlim=(0, 1), ylim=(0, 4.2))
    figure.legend(loc="outside right upper", title="α   (E[min(λ, 1−λ)])", alignment="left")
    shares = ", ".join(f"{smaller_share(alpha):.3f} at alpha {alpha:g}" for alpha in alphas)
    figure.set_label(f"Densities of Beta(alpha, alpha). Average smaller share of a mixed example: {shares}.")
    return figure
