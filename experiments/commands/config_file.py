"""--config FILE: the configuration of another run, or one written by hand, in the place of a preset's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mixup_jax.config import Config
from mixup_jax.data.files.archives import expand
from mixup_jax.runtime.claim import VERSION
from mixup_jax.runtime.json_files import Malformed, parse_json, read_bytes
from mixup_jax.stored_config import read, upgraded

LARGEST = 2**20
"""Bytes; those of ours have a few thousand."""


class Given(NamedTuple):
    """What a file says: of which experiment and preset the configuration is, and itself."""

    experiment: str | None
    preset: str
    config: Config


def read_config_file(path: Path) -> Given:
    """Read the config.json of a run, of any version, or its folder, or a file with the fields of `Config`.

    A file may be JSON or, where its name ends with .yaml or .yml, YAML. A field that it lacks has `Config`'s default.
    Raises ValueError, which names the file, for anything else.
    """
    path = expand(path, "config")
    path = path / "config.json" if path.is_dir() else path
    try:
        content = _parse(path)
        if "config" not in content:
            if not content or "settings" in content:
                raise Malformed("it holds no configuration of a network that is trained by this command")
            return Given(None, path.stem, read(Config(), content))
        version, stored = content.get("version", 1), content["config"]
        if version not in range(1, VERSION + 1):
            raise Malformed(f"it is version {version!r} of the file, and {VERSION} is known here")
        if not isinstance(stored, dict):
            raise Malformed("its config is no object")
        config = read(Config(), upgraded(stored) if version < VERSION else stored)
        return Given(_word(content, "experiment"), _word(content, "preset") or path.stem, config)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"--config {path}: {error}") from None


def _word(content: Mapping[str, Any], name: str) -> str | None:
    word = content.get(name)
    if word is not None and not (isinstance(word, str) and 0 < len(word) < 100 and word.isprintable()):
        raise Malformed(f"its {name} is no name")
    return word


def _parse(path: Path) -> dict[str, Any]:
    """Read an object; YAML goes through JSON, so that a value is one that JSON has."""
    try:
        text = read_bytes(path, LARGEST).decode()
    except UnicodeDecodeError:
        raise Malformed("not readable: not UTF-8") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
                raise Malformed("aliases, *NAME, are not read: write the values out")
            text = json.dumps(yaml.safe_load(text))
        except (yaml.YAMLError, TypeError, RecursionError) as error:
            raise Malformed(f"not YAML that is read here: {error}") from None
    return parse_json(text)
