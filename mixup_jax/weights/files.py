"""Read the arrays in files of weights that are not trusted: .npz, .safetensors, and .pth with PyTorch's safe reader."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from mixup_jax.data.files.npz import read_npz
from mixup_jax.runtime.errors import reason_of

FLOATS = {"F64", "F32", "F16", "BF16"}
"""What weights are stored as, in the words of safetensors."""
INSIDE = ("model", "state_dict", "model_state")
"""Where a .pth of a training keeps its weights."""
SUFFIXES = (".npz", ".safetensors", ".pth", ".pt", ".bin")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of numbers with a fraction in a file, by name, float32; counters are passed over.

    Nothing is unpickled, and headers are compared with the file before anything is allocated.
    Raises FileNotFoundError, and ValueError, which names the file, for one that is damaged or of another kind.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"init is {path}; it must be the folder of a run, or a file {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise FileNotFoundError(f"init is {path}, which is not there, or no file.")
    if path.suffix == ".npz":
        arrays = read_npz(path)
    else:
        arrays = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    found = {
        name: np.asarray(array, np.float32)
        for name, array in arrays.items()
        if jnp.issubdtype(array.dtype, jnp.floating)
    }
    if not found:
        raise ValueError(f"{path} holds no weights: no array of numbers with a fraction.")
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{path} holds numbers that are not finite, in {name}.")
    return found


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import safe_open
    except ImportError:
        raise ValueError(f"{path} needs the package safetensors: pip install safetensors.") from None
    try:
        with safe_open(path, framework="np") as file:
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            if odd := next((name for name, kind in kinds.items() if kind not in FLOATS and kind[0] not in "IUB"), None):
                raise ValueError(f"{odd} is {kinds[odd]}; weights are {', '.join(sorted(FLOATS))}")
            return {name: file.get_tensor(name) for name, kind in kinds.items() if kind in FLOATS}
    except Exception as error:  # its own errors, and those of NumPy
        raise ValueError(f"{path} cannot be read as .safetensors ({reason_of(error)}).") from error


def _torch(path: Path) -> dict[str, Any]:
    try:
        import torch  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError:
        raise ValueError(
            f"{path} is a pickle, which PyTorch alone reads safely: pip install torch, or give the .safetensors of it."
        ) from None
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        for name in INSIDE:
            content = content[name] if isinstance(content.get(name), dict) else content
        tensors = {str(name): each for name, each in content.items() if isinstance(each, torch.Tensor)}
        arrays = {name: each.detach().to(torch.float32) for name, each in tensors.items() if each.is_floating_point()}
        return {name.removeprefix("module."): each.contiguous().numpy() for name, each in arrays.items()}
    except Exception as error:  # PyTorch's reader raises many kinds
        raise ValueError(f"{path} cannot be read as weights of PyTorch ({reason_of(error)}).") from error
