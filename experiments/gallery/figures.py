"""Figures of the gallery: partners, labels, losses, schedules and hidden states, from results of the library."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from matplotlib.figure import Figure

from experiments.gallery.images import Images, some_of_each
from mixup_jax import Mix, draw, methods, mix, mixed_cross_entropy, mixed_sigmoid_cross_entropy
from mixup_jax.models import PreActResNet
from mixup_jax.report.plots.family import image_grid, method_rows
from mixup_jax.report.plots.parents import label_bars, leaves
from mixup_jax.report.plots.policies import lines_and_dots, partner_shares

DRAWS = 500
PAIR = jnp.array([1, 0])
"""The partners in a batch of two."""


def regmixup(rng: Array, images: Images, batch: Images) -> Figure:
    """Draw both halves of the batch of RegMixup, with the weights of their losses."""
    size = len(images.label)
    x, y = jnp.asarray(images.image, jnp.float32) / 255, jnp.eye(size)
    program = jax.jit(functools.partial(methods.regmixup, alpha=20.0, eta=0.5, per="example", partner="roll"))
    x, y, weight = (np.asarray(each) for each in program(rng, x, y))
    clean, mixed = (f"{half}: weight of the loss {weight[row]:g}" for half, row in (("Clean", 0), ("Mixed", size)))
    rows = {clean: (x[:size], y[:size]), f"{mixed} (η = 0.5)": (x[size:], y[size:])}
    return method_rows(rows, images.names)


def k_mixup(rng: Array, images: Images, batch: Images, shown: int = 8) -> Figure:
    """Draw partners from a permutation and from `optimal_partners`, and the images mixed with lambda one half."""
    size, k = len(batch.label) // 2 * 2, len(batch.label) // 2
    x = jnp.asarray(batch.image[:size], jnp.float32) / 255

    @jax.jit
    def mixed(partner: Array) -> tuple[Array, Array]:
        distance = jnp.mean(jnp.linalg.norm((x - x[partner]).reshape(size, -1), axis=1))
        return distance, mix(Mix(jnp.full(size, 0.5), partner), x)[:shown]

    policies = {
        "permutation": jax.jit(lambda rng: draw(rng, size, 1.0).partner)(rng),
        f"optimal_partners, k = {k}": jax.jit(lambda rng: methods.optimal_partners(rng, x, k))(rng),
    }
    rows, captions = {f"A batch of {size}: the first {shown}": list(np.asarray(x[:shown]))}, {}
    for name, partner in policies.items():
        distance, images_mixed = mixed(partner)
        title, index = f"Their partners: {name}, mean distance of the batch {distance:.1f}", np.asarray(partner[:shown])
        rows[title] = list(batch.image[index] / 255)
        captions[title] = [batch.names[each] for each in batch.label[index]]
        rows[f"Mixed, λ = 0.5: {name}"] = list(np.asarray(images_mixed))
    return image_grid(rows, captions=captions)


def partners(rng: Array, images: Images, batch: Images) -> Figure:
    """Draw the partners that each policy chooses; the target of C-Mixup is the brightness of the images."""
    some = some_of_each(batch, classes=4, count=6)
    x, label, size = jnp.asarray(some.image, jnp.float32) / 255, jnp.asarray(some.label), len(some.label)
    bright = jnp.sort(jnp.mean(x, axis=(1, 2, 3)))
    table = methods.neighbour_table(some.image, k=3)

    named = ("permutation", "derangement", "roll", "flip")

    @jax.jit
    @jax.vmap
    def drawn(key: Array) -> list[Array]:
        return [
            *(draw(key, size, 1.0, partner=policy).partner for policy in named),
            methods.same_class(key, label),
            methods.different_class(key, label),
            methods.neighbours(key, table, jnp.arange(size)),
            methods.by_label_distance(key, bright, bandwidth=0.03),
        ]

    classes = [(some.names[each], int(np.sum(some.label == each))) for each in np.unique(some.label)]
    halves = [("dark", size // 2), ("bright", size - size // 2)]
    titles = (*named, "same_class", "different_class", "neighbours, k = 3", "by_label_distance")
    groups = [classes] * (len(titles) - 1) + [halves]
    many = [np.asarray(each) for each in drawn(jax.random.split(rng, DRAWS))]
    return partner_shares(dict(zip(titles, zip(many, groups, strict=True), strict=True)))


def phase_out(rng: Array, images: Images, batch: Images, steps: int = 1000, size: int = 500) -> Figure:
    """Draw the probability of mixing over the training, and the share of examples that `choose` mixes."""
    curves, dots, partner = {}, {}, jnp.arange(size)[::-1]

    @jax.jit
    @jax.vmap
    def mixed(key: Array, probability: Array) -> Array:
        plan = methods.choose(key, [Mix(jnp.zeros(size), partner)], probability[None], per="example")
        return jnp.mean(plan.lam < 1)

    every, some = (np.linspace(0, steps, points).astype(np.int32) for points in (steps + 1, 41))
    for start, end in ((0.6, 0.9), (0.0, 1.0), (0.8, 0.8)):
        name, schedule = f"start = {start}, end = {end}", functools.partial(methods.phase_out, start=start, end=end)
        curves[name] = every / steps, np.asarray(schedule(every, steps))
        dots[name] = some / steps, np.asarray(mixed(jax.random.split(rng, len(some)), schedule(some, steps)))
    label = f"share of {size} examples\nthat choose mixed"
    return lines_and_dots(curves, dots, x_label="share of the training", y_label="probability", dots_label=label)


def losses(rng: Array, images: Images, batch: Images) -> Figure:
    """Draw both losses over lambda for the logits of one example, and the losses of optax for the dense soft label."""
    logits, label, lam = jnp.array([[3.0, 0.5, -1.0]] * 2), jnp.array([0, 2]), jnp.linspace(0, 1, 11)

    @jax.jit
    @jax.vmap
    def both(lam: Array) -> dict[str, tuple[Array, Array]]:
        plan = Mix(jnp.broadcast_to(lam, 2), PAIR)
        dense = mix(plan, jax.nn.one_hot(label, 3))
        softmax, sigmoid = mixed_cross_entropy(logits, label, plan), mixed_sigmoid_cross_entropy(logits, label, plan)
        return {
            "mixed_cross_entropy": (softmax[0], optax.softmax_cross_entropy(logits, dense)[0]),
            "mixed_sigmoid_cross_entropy": (sigmoid[0], optax.sigmoid_binary_cross_entropy(logits, dense)[0].sum()),
        }

    curves, dots = (
        {name: (np.asarray(lam), np.asarray(each[which])) for name, each in both(lam).items()} for which in (0, 1)
    )
    return lines_and_dots(curves, dots, x_label="λ", y_label="loss", dots_label="optax, soft label")


def labels(rng: Array, images: Images, batch: Images, at: float = 0.3) -> Figure:
    """Draw the labels that `mix`, `union`, `threshold` and `larger` return for two examples with two labels each."""
    y, rows = jnp.array([[1.0, 0, 1], [0, 1, 1]]), {}
    for lam in (0.8, 0.55, 0.2):
        plan = Mix(jnp.full(2, lam), PAIR)
        results = {
            "mix": mix(plan, y),
            "union": methods.union(plan, y),
            f"threshold, at = {at}": methods.threshold(plan, y, at),
            "larger": methods.larger(plan, y),
        }
        parents = np.asarray(lam * y[0]), np.asarray((1 - lam) * y[1])
        rows[f"λ = {lam}"] = (*parents, {name: np.asarray(each[0]) for name, each in results.items()})
    return label_bars(rows, ("cat", "dog", "sky"))


def mix_by_rule(rng: Array, images: Images, batch: Images) -> Figure:
    """Draw the leaves of a batch of six examples, two of them padding, mixed by rule; a token is its example's id."""
    size = 6
    length = jnp.array([5, 3, 4, 2, 0, 0])
    attend, example = jnp.arange(5)[None] < length[:, None], jnp.arange(1, size + 1)[:, None]
    tree = {"image": jnp.eye(size), "token": jnp.where(attend, example, 0), "attend": attend, "file": example}
    rules = {"image": "mix", "token": "partner", "attend": "union", "file": "keep"}

    @jax.jit
    def program(rng: Array) -> tuple[Array, Any]:
        plan = draw(rng, size, 2.0, per="example", partner="derangement")
        return mix(plan, tree["image"]), methods.mix_by_rule(methods.leave_padding(plan, length > 0), tree, rules)

    as_drawn, mixed = program(rng)
    shares = {"plan as drawn,\nimage mixed": as_drawn, "after leave_padding,\nimage: mix": mixed["image"]}
    cells = {
        "token: partner,\nown": mixed["token"][0],
        "\nand the partner's": mixed["token"][1],
        "\nattend: union": -mixed["attend"].astype(jnp.int32),
        "\nfile: keep": mixed["file"],
    }
    as_numpy = ({name: np.asarray(each) for name, each in panels.items()} for panels in (shares, cells))
    return leaves(*as_numpy, valid=(length > 0).tolist())


def mix_at(rng: Array, images: Images, batch: Images) -> Figure:
    """Draw the activations of a random network for two images, mixed at no layer, at the input and at two stages."""
    model = PreActResNet(classes=2, width=8, blocks=(1, 1), variant="F")
    other = int(np.argmax(batch.label != batch.label[0]))
    x = jnp.asarray(batch.image[[0, other]], jnp.float32) / 255
    variables = jax.jit(lambda rng: model.init(rng, x, train=False))(rng)
    plan, stages = Mix(jnp.full(2, 0.5), PAIR), ("stem", "stage1", "stage2")

    @functools.partial(jax.jit, static_argnums=0)
    def activations(layer: str | None) -> list[Array]:
        with methods.mix_at(plan, layer) if layer else nullcontext():
            _, kept = model.apply(variables, x, train=False, capture_intermediates=True, mutable=["intermediates"])
        hidden: list[Any] = [kept["intermediates"][name]["__call__"][0] for name in stages]
        return [mix(plan, x) if layer == "input" else x, *(jnp.mean(each, axis=3, keepdims=True) for each in hidden)]

    cuts = {"input": 0, "stage1": 2, "stage2": 3}  # from which column on it is mixed
    clean, names = activations(None), {layer: f'mix_at(plan, "{layer}"), λ = 0.5' for layer in cuts}
    rows = {f"Image {i}, not mixed": [each[row] for each in clean] for row, i in enumerate("ij")}
    rows |= {names[layer]: [each[0] for each in activations(layer)] for layer in cuts}
    framed = {names[layer]: [column >= first for column in range(4)] for layer, first in cuts.items()}
    return image_grid(_scaled(rows), headings=["input", *(f"after {name}" for name in stages)], framed=framed)


def _scaled(rows: dict[str, list[Array]]) -> dict[str, list[np.ndarray]]:
    """Scale each column to [0, 1], the same way in all rows."""
    columns = [np.stack(column) for column in zip(*rows.values(), strict=True)]
    scaled = [(each - each.min()) / max(float(np.ptp(each)), 1e-6) for each in columns]
    return {name: [column[index] for column in scaled] for index, name in enumerate(rows)}


FIGURES: dict[str, Callable[[Array, Images, Images], Figure]] = {
    each.__name__: each for each in (regmixup, k_mixup, partners, phase_out, labels, losses, mix_by_rule, mix_at)
}
