"""Damage to files: bytes, lengths, numbers, pieces of other files, and the structure of JSON."""

import json
import re
from random import Random
from typing import Any

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**40, 2**63 - 1, 2**64 - 1)
NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"2147483648",
    b"4294967295",
    b"1099511627776",
    b"9223372036854775808",
    b"1e308",
    b"9" * 400,
)
TEXTS = (b"", b"nan", b"-inf", b"null", b"{}", b"[]", b"()", b'"', b"\0", b"\n", b"../../x", b"\xff\xfe", b"\xc3\x28")
DEEP = 100_000


def damage(random: Random, data: bytes, others: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """Return a damaged copy: one to four changes of any kind."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = random.choice((_bits, _edge, _number, _cut, _remove, _repeat, _token, _splice, _json, _json))
        data = kind(random, data, others, words)
    return data


def _spot(random: Random, data: bytes) -> int:
    """Return a place, often near an end, where headers and tables of contents are."""
    near = random.choice((len(data), len(data), min(len(data), 128)))
    place = random.randrange(near + 1)
    return place if random.random() < 0.8 else len(data) - place


def _bits(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        changed[min(_spot(random, data), len(data) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _edge(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    """Write a number that headers do not expect over the bytes at some place."""
    size, place = random.choice((1, 2, 4, 8)), _spot(random, data)
    number = (random.choice(EDGES) % 2 ** (8 * size)).to_bytes(size, random.choice(("little", "big")))
    return data[:place] + number + data[place + size :]


def _number(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    """Replace a number that is written out."""
    found = list(re.finditer(rb"\d+", data[:4096]))
    if not found:
        return data
    one = random.choice(found)
    return data[: one.start()] + random.choice(NUMBERS) + data[one.end() :]


def _cut(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    return data[: _spot(random, data)]


def _remove(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    place = _spot(random, data)
    return data[:place] + data[place + random.choice((1, 2, 4, 16, 512)) :]


def _repeat(random: Random, data: bytes, others: Any, words: Any) -> bytes:
    place = _spot(random, data)
    piece = data[place : place + random.choice((1, 4, 64, 512))]
    return data[:place] + piece * random.choice((2, 3, 100)) + data[place:]


def _token(random: Random, data: bytes, others: Any, words: tuple[bytes, ...]) -> bytes:
    word, place = random.choice((*TEXTS, *words)), _spot(random, data)
    return data[:place] + word + data[place + random.choice((0, len(word))) :]


def _splice(random: Random, data: bytes, others: list[bytes], words: Any) -> bytes:
    other = random.choice(others)
    return data[: _spot(random, data)] + other[_spot(random, other) :]


def _json(random: Random, data: bytes, others: Any, words: tuple[bytes, ...]) -> bytes:
    """Change the structure of an object on one of the lines, or of the whole; other files get their bits changed."""
    if not data.lstrip().startswith(b"{"):
        return _bits(random, data, others, words)
    lines = data.splitlines(keepends=True)
    whole = random.random() < 0.5 or len(lines) == 1
    place = 0 if whole else random.randrange(len(lines))
    try:
        tree = json.loads(data if whole else lines[place])
    except (ValueError, RecursionError):
        return _bits(random, data, others, words)
    mark = "the value that is replaced"
    changed = json.dumps(_replaced(random, tree, mark), indent=random.choice((None, 1)))
    text = changed.replace(f'"{mark}"', random.choice(values(words))).encode()
    return text if whole else b"".join([*lines[:place], text + b"\n", *lines[place + 1 :]])


def _replaced(random: Random, tree: Any, mark: str) -> Any:
    """Put the mark in the place of one value, or take the value away."""
    if not isinstance(tree, dict | list) or not tree or random.random() < 0.1:
        return mark
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = random.choice(keys)
    changed = tree.copy()
    if random.random() < 0.15:
        del changed[key]
    else:
        changed[key] = _replaced(random, tree[key], mark)
    return changed


def values(words: tuple[bytes, ...] = ()) -> list[str]:
    """Return JSON that is not what any of our files holds in any place."""
    deep = "[" * DEEP + "]" * DEEP
    plain = [
        "null",
        "true",
        "[]",
        "{}",
        '""',
        '"x"',
        "-1",
        "0",
        "0.5",
        "1e308",
        "NaN",
        "-Infinity",
        "9" * 5000,
        "7" * 300,
    ]
    paths = ['"../../x"', '"/dev/zero"', '"\\ud800"', '"\\u0000"', "[[]]", "[null]", "[0, [1]]", '{"": 0}']
    return [*plain, *paths, json.dumps("x" * 10_000), deep, *(json.dumps(word.decode("latin1")) for word in words)]


WHOLE = tuple(text.encode() for text in ("", "[]", "{}", "null", "0", '"x"', "\0", "[" * DEEP, "[" * DEEP + "]" * DEEP))
"""What stands in the place of a whole file of ours."""
NESTED = b'{"a":' * DEEP + b"0" + b"}" * DEEP
