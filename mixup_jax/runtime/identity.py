"""What a run is: configuration, content of the data, settings of JAX, code; and what of it has changed, in one line."""

import dataclasses
import itertools
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import jax

from mixup_jax.runtime.devices.distributed import ends_together, store, wait_for

Content = dict[str, Any]

PARTS = {
    "config": "of another configuration",
    "settings": "of other settings",
    "data": "on other data",
    "weights": "from other weights",
    "jax": "under other settings of JAX",
}
"""Parts of an identity in which no run may change, and how it is said where one has."""
CODE = ("commit", "code", "versions")
"""Parts in which a run may change when it goes on, after a warning."""

OPTIONS = (
    "enable_x64",
    "default_matmul_precision",
    "default_prng_impl",
    "threefry_partitionable",
    "random_seed_offset",
    "numpy_dtype_promotion",
    "disable_jit",
    "disable_most_optimizations",
    "optimization_level",
    "softmax_custom_jvp",
    "use_direct_linearize",
    "use_shardy_partitioner",
)
VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
HARMLESS_FLAGS = ("--xla_force_host_platform_device_count", "--xla_dump_", "--xla_gpu_dump_")

_calls = itertools.count()  # a name in the store is used once


def jax_settings() -> Content:
    """Return the settings of JAX and XLA that change numbers: options of `jax.config`, and environment variables.

    Raises ValueError for another generator of random numbers than threefry: under rbg the seeds of a run, trained in
    one program, would draw the same numbers.

    >>> jax_settings()["enable_x64"]
    False
    """
    found = {name: getattr(jax.config, f"jax_{name}", None) for name in OPTIONS}
    if found["default_prng_impl"] != "threefry2x32":
        raise ValueError(
            f"jax_default_prng_impl is {found['default_prng_impl']}, with which seeds are not independent; "
            "it must be threefry2x32: unset JAX_DEFAULT_PRNG_IMPL."
        )
    return plain(found) | {name: _flags(os.environ.get(name, "")) for name in VARIABLES}


def _flags(text: str) -> list[str]:
    """Return flags by name, without those that change no number; of one given twice the last counts.

    >>> _flags("--xla_b=1 --xla_dump_to=here --xla_a=2 --xla_b=3")
    ['--xla_a=2', '--xla_b=3']
    """
    flags = {flag.partition("=")[0]: flag for flag in text.split() if not flag.startswith(HARMLESS_FLAGS)}
    return [flags[name] for name in sorted(flags)]


def plain(content: Any) -> Any:
    """Return a dataclass, or what is made of dictionaries and lists, as JSON has it."""
    return json.loads(json.dumps(content, default=_plain))


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def flatten(tree: Any, name: str = "") -> Content:
    """Return the values of nested dictionaries by their dotted names.

    >>> flatten({"model": {"width": 24}, "seed": 0})
    {'model.width': 24, 'seed': 0}
    """
    if not isinstance(tree, dict):
        return {name: tree}
    return {key: value for part in tree for key, value in flatten(tree[part], f"{name}.{part}".strip(".")).items()}


def differing(there: Mapping[str, Any], here: Mapping[str, Any], words: tuple[str, str] = ("there", "here")) -> str:
    """Say in which fields what a folder holds differs from what is asked for; nothing where they are equal.

    >>> differing({"seed": 0, "width": 8}, {"seed": 1, "width": 8})
    'seed is 0 there and 1 here'
    >>> differing({"classes": ["a", "b", "c"]}, {"classes": ["a", "c", "b"]})
    'classes[1] is b there and c here'
    """
    return "; ".join(
        _difference(name, there.get(name, "absent"), here.get(name, "absent"), words)
        for name in sorted(there.keys() | here.keys())
        if there.get(name, "absent") != here.get(name, "absent")
    )


def _difference(name: str, there: Any, here: Any, words: tuple[str, str]) -> str:
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here) > 2:
        place = next(place for place, pair in enumerate(zip(there, here, strict=True)) if pair[0] != pair[1])
        name, there, here = f"{name}[{place}]", there[place], here[place]
    return f"{name} is {_short(there)} {words[0]} and {_short(here)} {words[1]}"


def _short(value: Any) -> str:
    """Return a value in a few words: the start of a digest, the start of a long list."""
    text = str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text if len(text) <= 100 else f"{text[:97]}..."


def changed_parts(there: Content, here: Content, defaults: Content) -> str:
    """Say what no run may change in and what has changed nevertheless; parts that are not stored are not compared.

    Fields of the configuration that are not stored, because they did not exist yet, have their `defaults`; settings of
    JAX that are not stored have the values of now.
    """
    found = []
    for part, words in PARTS.items():
        if part not in there or part not in here:
            continue
        mine = flatten(here[part])
        usual = mine if part == "jax" else flatten(defaults) if part in ("config", "settings") else {}
        stored = usual | flatten(there[part])
        if difference := differing(stored, mine):
            found.append(f"{words}: {difference}")
    return "; and ".join(found)


def agree(here: Content) -> None:
    """Compare the identity of a run between its processes, before the first step; one alone has nothing to compare.

    `here` is the description of the run, and how its checkpoints are saved as `launch`.

    Raises ValueError on every process, naming two and what they differ in, where they do not all have the same.
    """
    if jax.process_count() == 1:
        return
    with ends_together():
        difference = _verdict({part: here[part] for part in (*PARTS, *CODE, "launch") if part in here})
    if difference:
        jax.distributed.shutdown()  # together, in good order: or the first to leave would look lost to the others
        raise ValueError(f"the processes of the run were not started alike: {difference}.")


def _verdict(here: Content) -> str:
    """Return what the first process that differs from process 0 differs in, on every process.

    Through the store of the coordinator, not the devices: what differs may be what programs are compiled to.
    """
    values, key = store(), f"mixup_jax/identity/{next(_calls)}"
    values.key_value_set(f"{key}/{jax.process_index()}", json.dumps(flatten(here)))
    if jax.process_index() == 0:
        found = (
            differing(
                flatten(here),
                json.loads(wait_for(f"{key}/{process}")),
                ("on process 0", f"on process {process}"),
            )
            for process in range(1, jax.process_count())
        )
        values.key_value_set(f"{key}/verdict", next(filter(None, found), ""))
    return wait_for(f"{key}/verdict")
