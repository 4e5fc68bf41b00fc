"""The weights in a file of another library, and what is known of their network."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixup_jax.choices.networks import SIZES
from mixup_jax.models import NAMED
from mixup_jax.models.vit import sincos2d
from mixup_jax.runtime.json_files import read_object
from mixup_jax.weights.class_names import metadata_of, names_of
from mixup_jax.weights.files import read_arrays
from mixup_jax.weights.fitting import PRE_LOGITS, Target
from mixup_jax.weights.other_names import Names, as_torch, in_timms_names, library_of
from mixup_jax.weights.source import NORMALIZATIONS, Source, form_of
from mixup_jax.weights.timm_names import COUNTER, flat_from_timm, kind_of, timm_name

POSITIONS = "pos_embed"
PRE_LOGITS_NAMES = {
    f"pre_logits{inner}.{theirs}": f"{PRE_LOGITS}/{ours}"
    for inner in ("", ".fc")
    for theirs, ours in (("weight", "kernel"), ("bias", "bias"))
}
"""Of a layer before the last one, which timm has no more."""
GELUS = {"gelu": "exact", "gelu_pytorch_tanh": "tanh", "gelu_new": "tanh", "gelu_tanh": "tanh"}
"""Of Hugging Face's `hidden_act` and timm's `act_layer`."""
POOLS = {"token": "token", "avg": "gap"}
"""Of timm's `global_pool`; the second is every network's but a ViT's."""
LOOKALIKES = ("resnetaa", "resnetblur")
"""How timm calls networks with the arrays of a ResNet that compute something else."""


def read_library(path: Path, target: Target) -> Source:
    """Read the weights of ViT, ConvNeXt, ResNet or MLP-Mixer that another library has saved.

    Raises FileNotFoundError, and ValueError for what cannot be read or is no such network.
    """
    kind_of(target.model.name)
    options = form_of(target.model)
    read = read_arrays(path)
    state, flax, heads = as_torch(read) if path.suffix == ".npz" else (read, {}, None)
    names = library_of(state)
    state, own = in_timms_names(names, {name: array for name, array in state.items() if not name.endswith(COUNTER)})
    said, mean, std, classes, sides = beside(path, names)
    said = {"gelu": names.gelu, "heads": heads} | said
    known = {name: value for name, value in said.items() if name in options or (name, value) == ("gelu", "tanh")}
    grid = _grid(state, sides)
    form = known_form(state, grid) | {name: value for name, value in known.items() if value is not None}
    if options.get("positions") == "sincos2d" and grid and _are_fixed(state[POSITIONS], grid):
        form["positions"] = "sincos2d"
        del state[POSITIONS]
    shapes = {name: shape for name, shape in target.shapes.items() if not name.startswith(f"{PRE_LOGITS}/")}
    arrays = flat_from_timm(target.model.name, state, shapes)
    ours = {timm_name(target.model.name, name): name for name in arrays} | PRE_LOGITS_NAMES
    arrays |= {ours.get(name, name): array.T for name, array in state.items() if ours.get(name, name) not in arrays}
    unsaid = ("how many heads attention has",) if "heads" in options and "heads" not in form else ()
    return Source(
        origin=names.origin,
        arrays=arrays,
        names={ours.get(name, name): flax.get(there, there) for name, there in own.items()},
        form=form,
        classes=classes,
        mean=mean,
        std=std,
        grid=grid,
        left=(f"{len(read) - len(flax)} arrays of the optimiser",) if 0 < len(flax) < len(read) else (),
        guessed=unsaid,
    )


def known_form(state: Mapping[str, np.ndarray], grid: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the options of the network whose weights these are, as far as names and shapes say them.

    >>> known_form({"conv1.weight": np.zeros((64, 3, 7, 7)), "layer1.0.conv1.weight": np.zeros((64, 64, 3, 3))})
    {'width': 64}
    """
    if "layer1.0.conv1.weight" in state and "conv1.weight" in state:
        return _resnet(state)
    if "stages.0.blocks.0.conv_dw.weight" in state:
        width, patch = _ends(state.get("stem.0.weight"))
        blocks = (_count(state, rf"stages\.{i}\.blocks\.(\d+)\..*") for i in range(4))
        scaled = "stages.0.blocks.0.gamma" in state
        form = {"model": "convnext", "width": width, "blocks": tuple(filter(None, blocks))}
        return form | {"patch": patch, "layer_scale": scaled}
    mixer = "blocks.0.mlp_tokens.fc1.weight" in state
    width, patch = _ends(state.get("stem.proj.weight" if mixer else "patch_embed.proj.weight"))
    form = {"model": "mlp_mixer" if mixer else "vit", "width": width}
    form |= {"depth": _count(state, r"blocks\.(\d+)\..*"), "patch": patch}
    return form if mixer else form | _tokens(state, grid)


def _tokens(state: Mapping[str, np.ndarray], grid: tuple[int, int] | None) -> dict[str, Any]:
    """Return what the arrays of a ViT say of its class token, positions and LayerScale."""
    token, positions = "cls_token" in state, state.get(POSITIONS)
    form: dict[str, Any] = {"pool": "token" if token else "gap", "layer_scale": "blocks.0.ls1.gamma" in state}
    if positions is None:
        return form | {"positions": "sincos2d"}
    without_token = grid is not None and positions.shape[-2] == grid[0] * grid[1]
    return form | {"positions": "learned_patches" if token and without_token else "learned"}


def _grid(state: Mapping[str, np.ndarray], sides: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return rows and columns of a ViT's positions: those of images of the size that is known, else of square ones."""
    positions, (_, patch) = state.get(POSITIONS), _ends(state.get("patch_embed.proj.weight"))
    if positions is None or positions.ndim < 2 or not patch:
        return None
    count = positions.shape[-2]
    square = int(count**0.5)
    grids = [(sides[0] // patch, sides[1] // patch)] if sides else []
    return next((each for each in (*grids, (square, square)) if count - each[0] * each[1] in (0, 1)), None)


def _resnet(state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the width of a ResNet, and its name where it is one of ours."""
    blocks = tuple(_count(state, rf"layer{i}\.(\d+)\..*") for i in range(1, 5))
    (width, _), bottleneck = _ends(state["conv1.weight"]), "layer1.0.conv3.weight" in state
    for name, network in NAMED.items():
        options = network.keywords
        same = options.get("blocks") == blocks and options.get("bottleneck", True) == bottleneck
        if name.startswith("resn") and same:
            inner = width * options.get("group_width", 64) // 64 * options.get("groups", 1)
            if not bottleneck or _ends(state["layer1.0.conv1.weight"])[0] == inner:
                return {"model": name, "width": width}
    return {"width": width}


def _ends(kernel: np.ndarray | None) -> tuple[int, int]:
    """Return the outputs and the side of a convolution's kernel, zeros where it is none."""
    return (0, 0) if kernel is None or kernel.ndim != 4 else (kernel.shape[0], kernel.shape[3])


def _count(state: Mapping[str, np.ndarray], pattern: str) -> int:
    numbers = [int(match[1]) for name in state if (match := re.fullmatch(pattern, name))]
    return max(numbers, default=-1) + 1


def _are_fixed(positions: np.ndarray, grid: tuple[int, int]) -> bool:
    """Return whether positions are those that are computed here."""
    width = positions.shape[-1]
    if positions.shape != (1, grid[0] * grid[1], width) or width % 4 or width < 8:
        return False
    return np.allclose(positions[0], sincos2d(*grid, width), atol=1e-5)


def beside(path: Path, names: Names) -> tuple[dict[str, Any], Any, Any, Any, tuple[int, int] | None]:
    """Return what files beside the weights say: options of the network, mean, deviation, names of classes, and the size
    of the images.

    They are config.json of timm or Hugging Face, preprocessor_config.json of the latter, and model.json of ours; names
    of classes may also be in the header of a .safetensors file. Where there is none, mean and deviation are those of
    all networks of this kind, None where they differ.
    """
    config, images, ours = (
        read_object(path.parent / name) if (path.parent / name).is_file() else {}
        for name in ("config.json", "preprocessor_config.json", "model.json")
    )
    if images.get("do_normalize") is False:
        images = {"image_mean": [0], "image_std": [1]}
    timm, arguments = (_inner(config, name) for name in ("pretrained_cfg", "model_args"))
    mean, std = NORMALIZATIONS.get(names.normalize or "", (None, None))
    for one, other in ((images, "image_"), (timm, ""), (ours, "")):
        found = one.get(f"{other}mean"), one.get(f"{other}std")
        if all(_numbers(each) for each in found):
            mean, std = (tuple(map(float, each)) for each in found if each)
            _check_pixels(path, mean, std)
    return (
        _form_said(config, arguments, resnet=names.gelu is None),
        mean,
        std,
        names_of(ours, config, timm, metadata_of(path)),
        _sides(ours, config, timm),
    )


def _form_said(config: Mapping[str, Any], arguments: Mapping[str, Any], resnet: bool) -> dict[str, Any]:
    """Return the options that config.json says and no array; raises ValueError for what is not computed here."""
    acting = ("relu",) if resnet else GELUS
    allowed = {"hidden_act": acting, "act_layer": acting, "global_pool": POOLS}
    allowed |= dict.fromkeys(("downsample_in_bottleneck", "downsample_in_first_stage"), ("False",))  # where it strides
    said = {name: arguments.get(name, config.get(name)) for name in allowed}
    said = {name: str(value) for name, value in said.items() if value not in (None, "")}
    for name, value in said.items():
        if value not in allowed[name]:
            known = " or ".join(allowed[name])
            raise ValueError(f"config.json beside the weights says {name} {value:.40}, and here it is {known}.")
    architecture = str(config.get("architecture", "")).partition(".")[0]
    if architecture.startswith(LOOKALIKES):
        raise ValueError(f"config.json beside the weights says architecture {architecture}, which is no network here.")
    heads = config.get("num_attention_heads", arguments.get("num_heads"))
    if not isinstance(heads, int) and architecture in SIZES:
        heads = form_of(SIZES[architecture]()).get("heads")
    form = {
        "gelu": GELUS.get(said.get("act_layer", said.get("hidden_act", ""))),
        "heads": heads if isinstance(heads, int) else None,
        "pool": POOLS.get(said.get("global_pool", "")),
    }
    return {name: value for name, value in form.items() if value is not None}


def _sides(ours: Mapping[str, Any], config: Mapping[str, Any], timm: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the height and width of the images that the weights were trained on, None where no file says them."""
    size = config.get("image_size")
    for sides in (ours.get("image_shape"), timm.get("input_size"), [size, size] if isinstance(size, int) else size):
        if isinstance(sides, list) and all(isinstance(each, int) and each > 0 for each in sides):
            found = sides[1:] if sides is timm.get("input_size") else sides[:2]
            if len(found) == 2:
                return found[0], found[1]
    return None


def _check_pixels(path: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Raise ValueError for a mean and deviation that are not for pixels in [0, 1]."""
    if max(*mean, *std) > 1 or not all(std):
        numbers = "; ".join(" ".join(f"{each:g}" for each in values) for values in (mean, std))
        raise ValueError(
            f"mean and deviation in the .json beside {path.name} are {numbers}; they must be for pixels from 0 to 1, "
            "deviations above 0: divide those for pixels up to 255 by 255."
        )


def _inner(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within a JSON object, empty where there is none."""
    inner = content.get(name)
    return inner if isinstance(inner, dict) else {}


def _numbers(values: Any) -> bool:
    """Return whether a JSON value is a list of numbers from 0 to 255, one a channel."""
    return (
        isinstance(values, list)
        and 0 < len(values) < 100
        and all(isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each <= 255 for each in values)
    )
