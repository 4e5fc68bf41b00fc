"""A trained network as one object, for notebooks and for commands: images in, probabilities out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mixup_jax.augment.standard import normalize
from mixup_jax.choices.losses import BinaryCrossEntropy
from mixup_jax.config import Config
from mixup_jax.data.files.archives import expand
from mixup_jax.data.identity import DataIdentity
from mixup_jax.data.images.as_input import AsInput, Picture
from mixup_jax.evaluation.classification import padded
from mixup_jax.methods.latent import input_of
from mixup_jax.models.layers.convolution import compiler_options
from mixup_jax.runtime.buckets import check_name, fetched, is_bucket
from mixup_jax.runtime.claim import read_config, read_identity
from mixup_jax.runtime.launch import Launch
from mixup_jax.runtime.run_folder import finished
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.state import evaluated_variables, precision
from mixup_jax.training.trained import load_trained
from mixup_jax.weights.exported import DESCRIPTION, FILES, is_export, read_export

BATCH = 32
"""Images that the network sees at once, the last ones padded with blank images."""
Images = np.ndarray | Array | Sequence[Picture]


@dataclass(frozen=True)
class Network:
    """A trained network of one seed or several: ``network(images)`` returns probabilities, the mean over its seeds.

    Leaves of `params` and `batch_stats` have a leading axis over `seeds`; they are the moving averages where the run
    kept some. `mean` and `std` hold one number a channel, for pixels in [0, 1]; `as_input` makes an input of any
    picture. `mirrored` says whether images were mirrored in the training; `results` is what the run has measured.
    """

    classes: tuple[str, ...]
    model: nn.Module
    params: Any
    batch_stats: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    as_input: AsInput
    seeds: tuple[int, ...] = (0,)
    mirrored: bool = False
    config: Config | None = None
    identity: DataIdentity | None = None
    """Of the data that it was trained on."""
    results: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    """Steps that it was trained for."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return (height, width, channels) of its input."""
        return self.as_input.image_shape

    def variables(self, index: int = 0) -> dict[str, Any]:
        """Return the variables of one seed, counted from 0: what `apply` takes."""
        every = {"params": self.params, "batch_stats": self.batch_stats}
        return jax.tree.map(lambda leaf: leaf[index], every)

    def normalize(self, images: Any) -> Array:
        """Return uint8 images as the float32 numbers that the model takes."""
        return normalize(jnp.asarray(images), self.mean, self.std)

    def apply(self, variables: Any, x: Any) -> Array:
        """Return the logits (n, classes) of normalised images under the variables of one seed, as a pure function."""
        with precision("default" if self.config is None else self.config.matmul_precision):
            logits = self.model.apply(variables, x, train=False)
        assert isinstance(logits, Array)
        return logits

    def probabilities(self, logits: Any) -> Array:
        """Return the probabilities that logits (..., classes) mean: a softmax, or after --loss bce a sigmoid for each
        class, which do not sum to 1.
        """
        each = self.config is not None and isinstance(self.config.loss, BinaryCrossEntropy)
        return jax.nn.sigmoid(logits) if each else jax.nn.softmax(logits)

    def __call__(self, images: Images, *, mirror: bool = False, batch_size: int = BATCH) -> np.ndarray:
        """Return the probabilities, float32 (n, classes): those of `probabilities`, the mean over the seeds.

        `images` are uint8 (n, height, width, channels) of the network's size, or a list of files and of Pillow's images
        of any size (`as_input`). With `mirror` it is the mean over each image and its mirror image.

        What comes of an image does not depend on the others, nor on how many there are: all batches have one size, the
        last one is padded. Another `batch_size` changes no more than the last bits.

        Raises ValueError for images of another size and for answers that are not finite, TypeError for another dtype.
        """
        batches = _batches(self._checked(images), batch_size)
        found = list(self.predict_batches(batches, mirror=mirror))
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])

    def predict_batches(
        self, batches: Iterable[tuple[np.ndarray, int]], *, mirror: bool = False
    ) -> Iterator[np.ndarray]:
        """Yield the probabilities of padded batches of uint8 images and their counts; one batch is computed ahead."""
        if mirror and not self.mirrored:
            raise ValueError("mirror is for networks whose training mirrored its images, and this one's did not.")
        program = self._mirrored_program if mirror else self._program
        waiting: list[tuple[Array, int]] = []
        for images, count in batches:
            waiting.append((program(self.params, self.batch_stats, images), count))
            if len(waiting) > 1:
                yield _first_rows(*waiting.pop(0))
        for each in waiting:
            yield _first_rows(*each)

    def features(self, images: Images, layer: str, *, seed: int = 0, batch_size: int = BATCH) -> np.ndarray:
        """Return the input of a layer of one seed's network, counted from 0: float32 (n, ...).

        Layers have the names that `methods.mix_at` takes: "stage2", "stage2/block1"; "head" gives what the last layer
        sees, "input" the normalised images. A layer that is called several times: its first input.

        Raises ValueError, and names those that there are, for a layer that the model does not call, and for an input
        that is not finite.
        """
        program = jax.jit(partial(self._input_of, layer), compiler_options=compiler_options())
        variables = self.variables(seed)
        parts = [
            _first_rows(program(variables, part), count) for part, count in _batches(self._checked(images), batch_size)
        ]
        if not parts:
            raise ValueError("images must hold at least one image, got none.")
        return np.concatenate(parts)

    def _input_of(self, layer: str, variables: Any, images: Array) -> Array:
        model = self.model.clone(remat=False) if hasattr(self.model, "remat") else self.model
        network, normalized = replace(self, model=model), self.normalize(images)
        return jnp.asarray(input_of(layer, lambda: network.apply(variables, normalized)), jnp.float32)

    def _checked(self, images: Images) -> Any:
        if not isinstance(images, np.ndarray | Array):
            if isinstance(images, str | bytes) or not isinstance(images, Sequence):
                raise TypeError(f"images must be an array or a list of files or pictures, got {type(images).__name__}.")
            return _Prepared(images, self.as_input)
        if images.dtype != np.uint8:
            raise TypeError(f"images must be uint8, pixels from 0 to 255, got {images.dtype}.")
        if images.ndim != 4 or images.shape[1:] != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images must be (n, {wanted}), got {images.shape}; a list of pictures may have any size.")
        return images

    @cached_property
    def _program(self) -> Any:
        return self._compiled(lambda logits, images: self.probabilities(logits(images)))

    @cached_property
    def _mirrored_program(self) -> Any:
        def both(logits: Callable, images: Array) -> Array:
            return (self.probabilities(logits(images)) + self.probabilities(logits(images[:, :, ::-1]))) / 2

        return self._compiled(both)

    def _compiled(self, probabilities: Callable) -> Any:
        def of_seed(params: Any, batch_stats: Any, images: Array) -> Array:
            variables = {"params": params, "batch_stats": batch_stats}
            return probabilities(lambda part: self.apply(variables, self.normalize(part)), images)

        def mean(params: Any, batch_stats: Any, images: Array) -> Array:
            return over_seeds(of_seed, (0, 0, None))(params, batch_stats, images).mean(axis=0)

        return jax.jit(mean, compiler_options=compiler_options())


class _Prepared(Sequence):
    """Pictures as inputs of a network, made when they are asked for."""

    def __init__(self, pictures: Sequence[Picture], as_input: AsInput):
        self._pictures, self._as_input = pictures, as_input

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, rows: Any) -> Any:
        return np.stack([self._as_input(each) for each in self._pictures[rows]])


def _batches(images: Any, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield padded batches of one size, and how many images of each are real."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    for start in range(0, len(images), batch_size):
        part = np.asarray(images[start : start + batch_size])
        yield padded(part, batch_size), len(part)


def _first_rows(array: Any, count: int) -> np.ndarray:
    """Return the rows of real images; raises ValueError for NaN and inf: NaN has a largest class, too."""
    rows = np.asarray(array)[:count]
    if not np.isfinite(rows).all():
        raise ValueError(
            "what the network makes of an image is not finite (NaN or inf): damaged weights, or an overflow."
        )
    return rows


def load_network(
    folder: Path | str,
    *,
    alpha: float | None = None,
    checkpoints: str | None = None,
    checkpoint: Literal["newest", "best"] = "newest",
) -> Network:
    """Load the network of a finished run on images, all seeds of it, or of an export; the data is not needed.

    An export may lie in a bucket, gs://BUCKET/FOLDER. `alpha` says which networks to take of a run that trained several
    alphas side by side; `checkpoints` is the folder that the run was started with, if any; `checkpoint` is the newest,
    or the one with the lowest error: on the validation set, where there is one, else on the test set.

    Raises ValueError for a folder that is not a finished run on images, CheckpointError for one without a checkpoint.
    """
    if is_bucket(folder):
        check_name("folder", folder)
        with fetched(str(folder), (DESCRIPTION, *FILES)) as here:
            if not is_export(here):
                raise ValueError(f"{folder} holds no export, model.json and what belongs to it.")
            return load_network(here, alpha=alpha, checkpoints=checkpoints, checkpoint=checkpoint)
    folder = expand(folder, "folder")
    if is_export(folder):
        if (alpha, checkpoints, checkpoint) != (None, None, "newest"):
            raise ValueError(f"{folder} is an export, of one network: leave alpha, checkpoints and checkpoint out.")
        return _exported(folder)
    config, results = read_config(folder), finished(folder)
    if results is None:
        raise ValueError(f"the run in {folder} is not finished; start its command again.")
    if config.data.is_speech:
        raise ValueError(f"{folder} was trained on {config.data.dataset}, speech; a network of images is needed.")
    identity = read_identity(folder)
    if identity is None:
        raise ValueError(f"{folder} does not say what data it was trained on: an old run; train it again.")
    chosen = _chosen(folder, config, alpha)
    where = Launch(checkpoints=checkpoints).checkpoint_folder(folder, config)
    trained = load_trained(where, config, identity, best=checkpoint == "best")
    variables = jax.tree.map(lambda leaf: leaf[np.array(chosen)], evaluated_variables(trained.states))
    return Network(
        classes=identity.classes,
        model=trained.recipe.model,
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        mean=trained.recipe.mean,
        std=trained.recipe.std,
        as_input=_as_input(config, identity),
        seeds=tuple(config.runs[index][1] for index in chosen),
        mirrored=config.data.flip,
        config=config,
        identity=identity,
        results=results,
        step=int(trained.states.step[chosen[0]]),
    )


def _exported(folder: Path) -> Network:
    """Return the network of an export, one seed."""
    export = read_export(folder)
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], export.variables)
    return Network(
        classes=tuple(export.content["classes"]),
        model=export.model,
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        mean=tuple(export.content["mean"]),
        std=tuple(export.content["std"]),
        as_input=export.as_input,
        seeds=(export.content["seed"],),
        mirrored=export.config.data.flip,
        config=export.config,
        identity=export.identity,
        results=export.content["results"],
        step=export.content["step"],
    )


def _chosen(folder: Path, config: Config, alpha: float | None) -> list[int]:
    """Return which networks of a run have this alpha; raises ValueError for another one, or none among several."""
    alphas = sorted({each for each, _ in config.runs})
    if alpha is None and len(alphas) > 1:
        raise ValueError(f"{folder} trained several alphas ({', '.join(map(str, alphas))}): choose one by alpha.")
    if alpha is not None and alpha not in alphas:
        raise ValueError(f"alpha must be one of {folder} ({', '.join(map(str, alphas))}), got {alpha}.")
    return [index for index, (each, _) in enumerate(config.runs) if alpha in (None, each)]


def _as_input(config: Config, identity: DataIdentity) -> AsInput:
    if not identity.streamed:
        return AsInput(identity.image_shape)
    size = config.data.test_size or identity.image_shape[0]
    return AsInput((size, size, identity.image_shape[2]), config.data.test_crop, config.data.interpolation, True)
