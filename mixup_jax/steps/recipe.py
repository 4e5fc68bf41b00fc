"""What a step does, made from the configuration: all that is fixed when the program is built."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax.errors import FlaxError
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.augment.drawn import stages_of
from mixup_jax.augment.in_step import augment_in_step
from mixup_jax.choices import (
    GROUP,
    CutMix,
    Dirichlet,
    Erm,
    Mixing,
    NoAugment,
    NoisyFeatureMixup,
    RegMixup,
    SaliencyMix,
    Step,
    Switch,
)
from mixup_jax.config import Config
from mixup_jax.methods import choose, draw_dirichlet, mix_all, phase_out
from mixup_jax.methods.latent import INPUT
from mixup_jax.methods.table import METHODS, Method
from mixup_jax.models import OnSpectrograms, build, has_batch_norm, normalizes
from mixup_jax.steps.frozen import layers_before, shapes_of, trained_part
from mixup_jax.steps.optim import direction, learning_rate
from mixup_jax.steps.soft_loss import soft_loss
from mixup_jax.steps.state import Mixer, Rate, Recipe


@runtime_checkable
class Described(Protocol):
    """A data set, or its identity: what a step depends on."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def image_shape(self) -> tuple[int, ...]: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...
    @property
    def train_count(self) -> int: ...
    @property
    def streamed(self) -> bool: ...


def make_recipe(config: Config, data: Described) -> Recipe:
    """Return what a step does under this configuration on this data.

    Raises ValueError for options that do not go with this data, this network or this length of the training.
    """
    if not getattr(config.optimizer, "decay_norm", True) and not normalizes(config.model):
        raise ValueError(
            f"decay_norm is for networks with norm layers, and {config.model.name} has none: leave it out."
        )
    if config.norm_block is not None and not has_batch_norm(config.model):
        raise ValueError(f"norm_block is for networks with BatchNorm, and {config.model.name} has none: leave it out.")
    decays = config.schedule.decay_epochs if isinstance(config.schedule, Step) else ()
    if any(epoch >= config.epochs for epoch in decays):
        raise ValueError(f"decay_epochs must lie within the training of {config.epochs:g} epochs, got {decays}.")
    _check_against_data(config, data)
    _check_threshold(config, len(data.classes))
    steps_per_epoch = data.train_count / config.batch_size
    model = build(config.model, len(data.classes), config.compute_dtype, norm_block=config.norm_block)
    if config.data.test_size is not None:
        _check_test_size(config.data.test_size, model, config.model.name, data.image_shape)
    model = OnSpectrograms(model, config.data.nyquist) if config.data.mix == "waveform" else model
    recipe = Recipe(
        model=model,
        optimizer=direction(config.optimizer),
        schedule=learning_rate(config.schedule, config.optimizer.lr, steps_per_epoch, config.epochs),
        classes=len(data.classes),
        mean=data.mean,
        std=data.std,
        pad_crop=config.data.pad_crop,
        flip=config.data.flip,
        augment=augmentation(config, data.mean),
        erase=config.data.erase,
        noise=config.data.noise,
        repeats=config.data.repeats,
        mixer=mixer_of(config.mixing, mixing_probability(config.mixing, steps_per_epoch, config.epochs)),
        layer=getattr(config.mixing, "layer", INPUT),
        loss=partial(soft_loss, config.loss),
        label_smoothing=config.label_smoothing,
        accumulate=config.accumulate,
        norm_block=config.norm_block,
        matmul_precision=config.matmul_precision,
        ema=config.ema,
        frozen=() if config.train_from is None else layers_before(model, data.image_shape, config.train_from),
    )
    if config.norm_block is not None and recipe.frozen:
        _check_frozen_norms(recipe, data.image_shape)
    return for_decoded(recipe) if data.streamed else recipe


def for_decoded(recipe: Recipe) -> Recipe:
    """Return the recipe for photographs, which are cropped, mirrored and augmented on the host when they are decoded.

    Only random erasing, which comes after the normalisation, is left to the step.
    """
    return replace(recipe, pad_crop=0, flip=False, augment=lambda rng, image, rows: image)


def augmentation(config: Config, mean: tuple[float, ...]) -> Callable[[Array, Array, Array], Array]:
    """Return what is done to the pixels of a batch after crops and mirror images; `mean` is that of the data."""

    def augment(rng: Array, image: Array, rows: Array) -> Array:
        height, width = image.shape[1:3]
        stages = stages_of(config.augment, config.data.color_jitter, (height, width), mean)
        return augment_in_step(rng, image, stages, rows)

    return augment


def mixer_of(mixing: Mixing, probability: Rate | None = None) -> Mixer | None:
    """Return how a method mixes a batch, None for ERM; it mixes with a `probability`, of which None is 1.

    >>> from mixup_jax.choices import Mixup
    >>> mixer = mixer_of(Mixup())
    >>> mixer.draw(jax.random.key(0), jnp.ones((2, 8, 8, 1)), 1.0, 0, "roll").partner.tolist() if mixer else None
    [1, 0]
    """
    if isinstance(mixing, Erm):
        return None
    noisy = isinstance(mixing, NoisyFeatureMixup)
    options = {"per": mixing.per, "block": mixing.block} | mixing.plan_options

    def draw(rng: Array, x: Any, alpha: ArrayLike, step: ArrayLike, partner: str | Array) -> Any:
        parts = _parts(mixing, alpha)
        if probability is None and not isinstance(mixing, CutMix | Switch):
            ((method, strength, _),) = parts
            return method.draw(rng, x, strength, partner=partner, **options)
        rng_blended, rng_pasted, rng_choose = jax.random.split(rng, 3)
        share = 1.0 if probability is None else probability(step)
        plans = [
            method.draw(rng_pasted if method.pastes else rng_blended, x, strength, partner=partner, **options)
            for method, strength, _ in parts
        ]
        probabilities = share * jnp.array([part for _, _, part in parts])
        if isinstance(plans[0], list):  # one decision for all of a row: the key is the same
            return [choose(rng_choose, [plan], probabilities, per=mixing.per) for plan in plans[0]]
        return choose(rng_choose, plans, probabilities, per=mixing.per)

    return Mixer(
        draw=draw,
        carry_out=_method_of(mixing).carry_out,
        partner=mixing.partner,
        group=mixing.group or GROUP,
        block=mixing.block,
        larger_label=mixing.labels == "larger",
        sees_images=isinstance(mixing, SaliencyMix),
        noise=(mixing.additive_noise, mixing.multiplicative_noise) if noisy else None,
        eta=mixing.eta if isinstance(mixing, RegMixup) else None,
    )


def _parts(mixing: Mixing, alpha: ArrayLike) -> list[tuple[Any, ArrayLike, float]]:
    """Return the methods that a choice is made of, each with its strength and its share of what is mixed."""
    if isinstance(mixing, Switch):
        share = mixing.switch_probability
        return [(METHODS["mixup"], alpha, 1 - share), (METHODS["cutmix"], mixing.cutmix_alpha, share)]
    return [(_method_of(mixing), mixing.cutmix_alpha if isinstance(mixing, CutMix) else alpha, 1.0)]


def _method_of(mixing: Mixing) -> Method:
    """Return how plans are drawn and carried out: the method's row of the table, or mixup's where it is more than that.

    >>> from mixup_jax.choices import FMix
    >>> _method_of(FMix()).title, _method_of(RegMixup()).title
    ('FMix', 'mixup')
    """
    row = METHODS.get(mixing.name, METHODS["mixup"])
    if isinstance(mixing, Dirichlet):
        return row._replace(
            draw=lambda rng, x, *rest, **options: draw_dirichlet(rng, len(x), *rest, **options), carry_out=mix_all
        )
    return row if row.draw else METHODS["mixup"]


def _check_against_data(config: Config, data: Described) -> None:
    height, width, channels = data.image_shape
    augmented = config.data.color_jitter or not isinstance(config.augment, NoAugment)
    if augmented and channels not in (1, 3):
        raise ValueError(f"augment and color_jitter are for images of one channel or three, and these have {channels}.")
    if not data.streamed and config.data.pad_crop >= min(height, width):
        raise ValueError(f"pad_crop must be less than the sides of {height} x {width}, got {config.data.pad_crop}.")
    if width == 1 and config.data.flip:
        raise ValueError(f"flip does nothing to examples of {height} x {width}: leave it out, --no-flip.")
    step = config.batch_size / data.train_count
    for name, part in (("warmup_epochs", config.schedule), ("unmixed_epochs", config.mixing)):
        if 0 < getattr(part, name, 0) < step:
            raise ValueError(f"{name} must be 0 or at least a step, {step:.3g} epochs, got {getattr(part, name):g}.")


def _check_threshold(config: Config, classes: int) -> None:
    """Raise ValueError for a threshold that no target of a smoothed label is above, or every one."""
    threshold, smoothing = getattr(config.loss, "target_threshold", None), config.label_smoothing
    off = smoothing / classes
    if threshold is not None and not off <= threshold < 1 - smoothing + off:
        raise ValueError(
            f"target_threshold must be at least {off:g} and below {1 - smoothing + off:g}, between the targets of "
            f"{classes} classes with label_smoothing {smoothing:g}, got {threshold:g}."
        )


def _check_frozen_norms(recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise ValueError where no layer that is trained has BatchNorm: the others normalise as in the evaluation."""
    statistics = shapes_of(recipe.model, shape)["batch_stats"]
    if not jax.tree.leaves(trained_part(statistics, recipe.frozen)):
        raise ValueError("norm_block is for BatchNorm that is trained, and train_from leaves none: leave it out.")


def _check_test_size(test_size: int, model: Any, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError where a network with weights for images of one shape cannot take those of another size."""
    other = jax.ShapeDtypeStruct((1, test_size, test_size, shape[2]), jnp.float32)
    try:
        jax.eval_shape(lambda variables, x: model.apply(variables, x, train=False), shapes_of(model, shape), other)
    except (FlaxError, TypeError, ValueError) as error:
        raise ValueError(
            f"test_size must be the size of the training, {shape[0]}, for {name}, whose weights depend on it, "
            f"got {test_size}: leave it out."
        ) from error


def mixing_probability(mixing: Mixing, steps_per_epoch: float, epochs: float) -> Rate | None:
    """Return the probability of mixing at each step, None where it is always 1.

    >>> from mixup_jax.choices import Mixup
    >>> probability = mixing_probability(Mixup(unmixed_epochs=5.0, phase_out=(0.5, 1.0)), 10.0, 20.0)
    >>> [float(probability(step)) for step in (49, 50, 100, 150)] if probability else None
    [0.0, 1.0, 1.0, 0.5]
    """
    if isinstance(mixing, Erm) or (mixing.probability, mixing.phase_out, mixing.unmixed_epochs) == (1, None, 0):
        return None

    def probability(step: Any) -> Any:
        share = mixing.probability
        if mixing.phase_out is not None:
            start, end = mixing.phase_out
            share *= phase_out(step, epochs * steps_per_epoch, start=start, end=end)
        return jnp.where(step < round(mixing.unmixed_epochs * steps_per_epoch), 0.0, share)

    return probability
