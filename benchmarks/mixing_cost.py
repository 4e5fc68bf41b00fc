"""Time and memory of every way of mixing, relative to one pass over the images: read a batch, write a batch.

Mixing must read two batches and write one, half as much again as a pass. The contestants take turns in one process;
ratios are of turns that followed each other. Memory is what the compiled program holds beside its inputs and results.

    python -m benchmarks.mixing_cost
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import tyro
from jax import Array
from rich.progress import track

from benchmarks.harness.page import Table, show
from benchmarks.harness.turns import STDERR, Effort, Steps, take_turns
from mixup_jax import draw, mix, mixup
from mixup_jax import methods as family

Method = Callable[..., Any]
"""From a key, images and labels; the one with neighbours also from a data set and its table."""
PASS, NEIGHBOURS = "one pass", "mixup, neighbours in a data set"
LAYERS = ("first", "second", "third")


def partners(rng: Array, x: Array, y: Array, policy: Callable[[Array, Array], Array]) -> Any:
    """Mix with the partners of a policy that looks at the class ids."""
    rng_partner, rng_mix = jax.random.split(rng)
    return mixup(rng_mix, x, y, 1.0, partner=policy(rng_partner, jnp.argmax(y, axis=1)))


def nearest(rng: Array, x: Array, y: Array) -> Any:
    """Match the examples of groups of 16 (k-mixup)."""
    rng_partner, rng_mix = jax.random.split(rng)
    return mixup(rng_mix, x, y, 1.0, partner=family.optimal_partners(rng_partner, x, k=16))


def similar(rng: Array, labels: Array) -> Array:
    """Draw partners by the distance of their labels (C-Mixup)."""
    return family.by_label_distance(rng, labels.astype(jnp.float32), bandwidth=1.0)


def neighbours(rng: Array, x: Array, y: Array, train: tuple[Array, Array], table: Array) -> Any:
    """Mix with one of 16 neighbours in a data set that holds the batch."""
    rng_partner, rng_mix = jax.random.split(rng)
    partner = family.neighbours(rng_partner, table, jnp.arange(len(x)))
    return mix(draw(rng_mix, len(x), 1.0, partner=partner), (x, y), other=train)


class Layer(nn.Module):
    """A convolution of 1 x 1 pixels that changes nothing: what costs next to nothing would be fused with the mixing."""

    def __call__(self, x: Array) -> Array:
        return x @ jnp.eye(x.shape[-1])


class Layers(nn.Module):
    """A network that is little more than places to mix at."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for name in LAYERS:
            x = Layer(name=name)(x)
        return x


def hidden(rng: Array, x: Array, y: Array) -> Any:
    """Mix at one of three layers, drawn at random (manifold mixup)."""
    rng_layer, rng_mix = jax.random.split(rng)
    plan = draw(rng_mix, len(x), 1.0)
    with family.mix_at_random(rng_layer, plan, LAYERS):
        return Layers().apply({}, x), mix(plan, y)


def switch(rng: Array, x: Array, y: Array) -> Any:
    """Draw mixup or CutMix."""
    rngs = jax.random.split(rng, 3)
    plans = [draw(rngs[0], len(x), 0.8), family.draw_cutmix(rngs[1], x.shape[:3], 1.0)]
    return mix(family.choose(rngs[2], plans, [0.5, 0.5]), (x, y))


def dirichlet(rng: Array, x: Array, y: Array, per: str) -> Any:
    """Mix three examples."""
    return family.mix_all(family.draw_dirichlet(rng, len(x), 1.0, per=per), (x, y))


METHODS: dict[str, Method] = {
    "mixup": partial(mixup, alpha=1.0),
    "mixup, per example": partial(mixup, alpha=1.0, per="example"),
    "mixup, derangement": partial(mixup, alpha=1.0, partner="derangement"),
    "mixup, flip": partial(mixup, alpha=1.0, partner="flip"),
    "mixup, block of 32": partial(mixup, alpha=1.0, block=32),
    "mixup, same class": partial(partners, policy=family.same_class),
    "mixup, other class": partial(partners, policy=family.different_class),
    "C-Mixup": partial(partners, policy=similar),
    NEIGHBOURS: neighbours,
    "k-mixup, k = 16": nearest,
    "three layers, no mixing": lambda rng, x, y: (Layers().apply({}, x), y),
    "mixup at one of three layers": hidden,
    "Dirichlet, 3 examples": partial(dirichlet, per="batch"),
    "Dirichlet, per example": partial(dirichlet, per="example"),
    "noisy feature mixup": partial(family.noisy_feature_mixup, alpha=1.0),
    "RegMixup (twice the batch)": family.regmixup,
    "CutMix": partial(family.cutmix, alpha=1.0),
    "CutMix, per example": partial(family.cutmix, alpha=1.0, per="example"),
    "mixup or CutMix": switch,
    "GridMix": partial(family.gridmix, alpha=1.0),
    "GridMix, per example": partial(family.gridmix, alpha=1.0, per="example"),
    "FMix": partial(family.fmix, alpha=1.0),
    "FMix, per example": partial(family.fmix, alpha=1.0, per="example"),
    "ResizeMix": family.resizemix,
    "SaliencyMix": partial(family.saliencymix, alpha=1.0),
}


def repeated(program: Any, arguments: tuple) -> Steps:
    """Return a compiled program, called again and again."""

    def run(count: int) -> None:
        for _ in range(count):
            result = program(*arguments)
        jax.block_until_ready(result)

    return run


def main(batch: int = 128, side: int = 64, rounds: int = 15) -> None:
    """Print the table.

    Args:
        batch: Images, a multiple of 32.
        side: Height and width of an image of three channels.
        rounds: Turns of each contestant.
    """
    rng = jax.random.key(0)
    x = jax.random.uniform(rng, (batch * side * side * 3,)).reshape(batch, side, side, 3)
    y = jax.nn.one_hot(jnp.arange(batch) % 10, 10)
    train = jnp.tile(x, (8, 1, 1, 1)), jnp.tile(y, (8, 1))
    table = jax.random.randint(rng, (8 * batch, 16), 0, 8 * batch)
    arguments = dict.fromkeys((PASS, *METHODS), (rng, x, y))
    arguments[NEIGHBOURS] = (rng, x, y, train, table)
    methods = {PASS: lambda rng, x, y: (x * 1.5, y * 1.5), **METHODS}
    programs = {}
    for name, method in track(methods.items(), description="compiling", transient=True, console=STDERR):
        programs[name] = compiled(method, *arguments[name])
    runs = {name: repeated(program, arguments[name]) for name, program in programs.items()}
    timings = take_turns(runs, Effort(rounds, 0.01))
    rows = []
    for name, timing in timings.items():
        memory = programs[name].memory_analysis().temp_size_in_bytes / x.nbytes
        rows.append((name, timing.ms(), timing.over(timings[PASS]), f"{memory:.2f}"))
    title = f"{batch} images of {side} x {side} x 3, float32, {x.nbytes / 2**20:.0f} MiB; {jax.default_backend()}"
    show(Table(title, ("", "ms", "passes", "memory, batches"), rows))


def compiled(method: Method, *arguments: Any) -> Any:
    """Compile a method ahead of time, so that its memory is known."""
    return jax.jit(lambda *each: method(*each)).lower(*arguments).compile()


if __name__ == "__main__":
    tyro.cli(main)
