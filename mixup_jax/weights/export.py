"""Write a trained network into a folder that others can use: tensors, a program, a description, a model card."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from mixup_jax.network import Network
from mixup_jax.runtime.atomic import naming
from mixup_jax.runtime.identity import plain
from mixup_jax.runtime.provenance import commit, versions
from mixup_jax.weights.exported import (
    CARD,
    DESCRIPTION,
    FILES,
    FORMAT,
    PROGRAM,
    TIMM,
    VERSION,
    WEIGHTS,
    read_description,
    sha256,
)
from mixup_jax.weights.model_card import model_card
from mixup_jax.weights.tensors import to_tensors
from mixup_jax.weights.timm_form import TimmForm, timm_form

Content = dict[str, Any]
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
LARGEST = 2**31 - 2**24
"""Bytes of weights that fit into a program: the file's format, flatbuffers, ends at 2 GiB."""


def write_export(
    network: Network, folder: Path, *, index: int, checkpoint: str, measured: Content, program: bool = True
) -> Content:
    """Write one seed's network, counted from 0, into `folder`; return the content of its model.json.

    `measured` are its own numbers, `checkpoint` is which one it is of; without `program` there is no StableHLO. The
    folder is whole or not there: it is written beside, and renamed. An export that is there is replaced.

    Raises ValueError for a folder that holds anything else, and for weights that are not finite.
    """
    check_target(folder)
    variables = jax.tree.map(np.asarray, network.variables(index))
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        raise ValueError(f"the weights of seed {network.seeds[index]} are not finite numbers; nothing to export.")
    assert network.config is not None
    model, shape = network.config.model, network.image_shape
    form = timm_form(model, shape)
    content = _description(network, index, form) | {"checkpoint": checkpoint, "measured": measured}
    if not program:
        content["program"] = None
    with naming(folder), _replacing_folder(folder) as part:
        _write_tensors(to_tensors(model, shape, variables), content, part / WEIGHTS)
        if program:
            (part / PROGRAM).write_bytes(program_bytes(network, index))
        if isinstance(form, TimmForm):
            _write_json(part / TIMM, _for_timm(network, content, form))
        (part / CARD).write_text(model_card(content), encoding="utf-8")
        content["files"] = {name: sha256(part / name) for name in FILES if (part / name).exists()}
        _write_json(part / DESCRIPTION, content)
    return content


def check_target(folder: Path) -> None:
    """Raise ValueError for a folder that holds anything but an export as it was written."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; an export is a folder: choose another --output.")
    names = {path.name for path in folder.iterdir()}
    check_names(folder, names)
    if names and (folder / CARD).exists() and sha256(folder / CARD) != read_description(folder)["files"].get(CARD):
        raise ValueError(f"{folder / CARD} was edited since it was written: move it away, or choose another --output.")


def check_names(folder: Path | str, names: Collection[str]) -> None:
    """Raise ValueError for names of files that are not those of an export."""
    others = sorted(set(names) - {DESCRIPTION, *FILES})
    if others or (names and DESCRIPTION not in names):
        raise ValueError(f"{folder} holds {(others or sorted(names))[0]} and is no export: choose another --output.")


def _description(network: Network, index: int, form: TimmForm | str) -> Content:
    assert network.config is not None
    timm = {"architecture": form.architecture, "options": form.options} if isinstance(form, TimmForm) else None
    sizes = [leaf.size for leaf in jax.tree.leaves(network.variables(index)["params"])]
    cut = network.as_input
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": network.config.model.name,
        "classes": list(network.classes),
        "image_shape": list(network.image_shape),
        "mean": [float(value) for value in network.mean],
        "std": [float(value) for value in network.std],
        "input": {"test_crop": cut.test_crop, "interpolation": cut.interpolation, "streamed": cut.streamed},
        "weights": {
            "names": "timm" if timm else "mixup_jax",
            **({"timm": timm} if timm else {"why": form}),
            "parameters": int(math.fsum(sizes)),
        },
        "program": {"platforms": list(PLATFORMS), "jax": jax.__version__},
        "seed": network.seeds[index],
        "step": network.step,
        "results": network.results,
        "config": plain(network.config),
        "data": plain(network.identity),
        "exported_by": {"commit": commit(), "versions": versions()},
    }


def _write_tensors(tensors: dict[str, np.ndarray], content: Content, path: Path) -> None:
    from safetensors.numpy import save

    note = json.dumps({name: content[name] for name in ("model", "weights", "seed", "step")})
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    # One note: the order of several is not fixed. `save_file` has errors of its own for a full disk, and lets no other
    # user read the file.
    path.write_bytes(save(arrays, {"mixup_jax": note}))


def program_bytes(network: Network, index: int = 0) -> bytes:
    """Return the program of one seed's network, counted from 0: uint8 images (n, height, width, channels) of its size,
    any number of them, to probabilities, float32 (n, classes).

    ``jax.export.deserialize(bytearray(content)).call(images)`` runs it, on any platform of `PLATFORMS`, with jax and
    flatbuffers alone. The weights are constants of the program: one file is the network. JAX promises to read it for
    half a year at least, so the weights are also stored as tensors.

    Raises ValueError where the weights are too large for a program.
    """
    variables = network.variables(index)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    if size > LARGEST:
        raise ValueError(
            f"the weights take {size / 2**30:.1f} GiB, and a program with them can have 2 at most: --no-program."
        )

    def probabilities(images: Array) -> Any:
        return network.probabilities(network.apply(variables, network.normalize(images)))

    (count,) = export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((count, *network.image_shape), jnp.uint8)
    return bytes(export.export(jax.jit(probabilities), platforms=PLATFORMS)(images).serialize())


def _for_timm(network: Network, content: Content, form: TimmForm) -> Content:
    """Return the config.json by which ``timm.create_model("local-dir:FOLDER", pretrained=True)`` builds the network."""
    height, width, channels = network.image_shape
    return {
        "architecture": form.architecture,
        "num_classes": len(network.classes),
        "label_names": list(network.classes),
        "model_args": form.options,
        "pretrained_cfg": {
            "input_size": [channels, height, width],
            "fixed_input_size": "img_size" in form.options,
            "mean": content["mean"],
            "std": content["std"],
            "crop_pct": network.as_input.test_crop,
            "interpolation": {"linear": "bilinear"}.get(network.as_input.interpolation, network.as_input.interpolation),
            "num_classes": len(network.classes),
            "first_conv": form.first,
            "classifier": form.last,
        },
    }


def _write_json(path: Path, content: Content) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder`, which takes its place when the body ends; after an error it is removed."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{word}") for word in ("part", "old"))
    part.mkdir()
    try:
        yield part
        for path in part.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
