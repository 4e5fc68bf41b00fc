"""Read JSON files of ours as if a stranger had written them: one object, of bounded size and depth, or one clear line.

Imports nothing but the standard library: data sets, runs and reports all read such files.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

LARGEST = 2**26  # bytes; the largest of ours, a result of many seeds, has less than a thousandth
DEPTH = 32  # levels of nesting; more would exhaust the stack of whoever walks the value


class Malformed(ValueError):
    """A file does not hold what docs/design.md says."""


def parse_json(content: str) -> dict[str, Any]:
    """Parse one JSON object.

    >>> parse_json('{"step": 3}')
    {'step': 3}
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    level: list[Any] = [value]
    for _ in range(DEPTH):
        containers = [item for item in level if isinstance(item, (dict, list))]
        level = [item for box in containers for item in (box.values() if isinstance(box, dict) else box)]
    if level:
        raise Malformed(f"nested more than {DEPTH} levels deep")
    return value


def read_text(path: Path) -> str:
    """Read a UTF-8 file of at most 64 MiB; a pipe, a device or an unreadable one is malformed, like any other."""
    try:
        return read_bytes(path, LARGEST).decode()
    except UnicodeDecodeError:
        raise Malformed("not readable: not UTF-8") from None


def read_bytes(path: Path, largest: int) -> bytes:
    """Read an ordinary file of at most `largest` bytes; what cannot be read, or is none, is malformed."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would wait for its writer
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Malformed("not readable: no ordinary file")
            content = file.read(largest + 1)
    except OSError as error:
        raise Malformed(f"not readable: {error.strerror}") from None
    if len(content) > largest:
        raise Malformed(f"not readable: larger than {largest // 2**20} MiB")
    return content


def read_object(path: Path, **needed: type | tuple[type, ...]) -> dict[str, Any]:
    """Read a file that holds one JSON object; `needed` are names that it must have, and the type of each value.

    Raises FileNotFoundError where there is no such file, and `Malformed`, which names the file, for all else.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        content = parse_json(read_text(path))
        for name, kind in needed.items():
            if name not in content:
                raise Malformed(f"it has no {name}")
            if not isinstance(content[name], kind):
                raise Malformed(f"its {name} is {str(content[name])[:40]!r}")
    except Malformed as error:
        raise Malformed(f"{path} is damaged or not what it should be ({error}); move it away.") from None
    return content
