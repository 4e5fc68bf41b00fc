"""What a compiled TPU program reads from and writes to the chip's memory, from its text.

XLA's own count, "bytes accessed", takes every operation's operands and results, also those that stay on the chip. The
text says which do: a layout with S(n), as in ``f32[8,128]{1,0:T(8,128)S(1)}``, is memory on the chip; one without is
the chip's main memory.
"""

import math
import re

SHAPE = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\](\{[^}]*\})?")
COMPUTATION = re.compile(r"^(ENTRY )?%(\S+) \(.*\{\n((?:.*\n)*?)\}", re.MULTILINE)
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%(\S+) = (.+?) ([a-z][\w-]*)\(([^)\n]*)\)(.*)$", re.MULTILINE)
NOTHING = {"bitcast", "tuple", "get-tuple-element", "parameter", "constant", "after-all", "opt-barrier"}
"""Operations that only give a name to what is there."""

Leaves = list[tuple[int, bool]]
"""Bytes of each array of a result, and whether it is in main memory."""


def memory_traffic(program: str) -> int | None:
    """Return the bytes that one run moves between main memory and chip; None for a program that is not a TPU's.

    Operations read their operands and write their results once, copies that run beside other work move what they copy,
    and the body of a loop counts as often as the compiler knows it to run, else once. Padding of tiles is left out.

    >>> text = '''
    ... ENTRY %main (a: f32[8]) -> f32[8] {
    ...   %a = f32[8]{0:T(128)} parameter(0)
    ...   %b = f32[8]{0:T(128)S(1)} negate(%a)
    ...   ROOT %c = f32[8]{0:T(128)} negate(%b)
    ... }
    ... '''
    >>> memory_traffic(text)    # %a is read, %c written
    64
    """
    if ":T(" not in program:  # layouts in tiles are a TPU's
        return None
    computations = {name: body for _, name, body in COMPUTATION.findall(program)}
    entry = next(name for is_entry, name, _ in COMPUTATION.findall(program) if is_entry)
    return _traffic(computations[entry], computations)


def _traffic(body: str, computations: dict[str, str]) -> int:
    """Return the traffic of the instructions of one computation."""
    results: dict[str, Leaves] = {}
    total = 0
    for name, shapes, operation, operands, rest in INSTRUCTION.findall(body):
        leaves = results[name] = leaves_of(shapes)
        inputs = [leaf for operand in re.findall(r"%([\w.-]+)", operands) for leaf in results.get(operand, [])]
        if operation in NOTHING or operation.endswith("-done") or "ConcatBitcast" in rest:
            continue
        if operation == "while":
            inner, times = re.search(r"body=%([\w.-]+)", rest), re.search(r'known_trip_count[^}]*?"(\d+)"', rest)
            total += _traffic(computations[inner[1]], computations) * int(times[1] if times else 1) if inner else 0
        elif operation == "copy-start":  # (what is written, what is read, a mark)
            total += sum(size for size, main in leaves[:2] if main)
        elif operation == "slice-start":  # (what is cut, the piece, a mark)
            total += sum(leaves[-2][0] for main in (leaves[0][1], leaves[-2][1]) if main)
        else:
            total += sum(size for size, main in (*inputs, *leaves) if main)
    return total


def leaves_of(shapes: str) -> Leaves:
    """Return bytes and place of each array of a result.

    >>> leaves_of("(bf16[8,4]{1,0:T(8,128)(2,1)S(1)}, f32[], u32[]{:S(2)})")
    [(64, False), (4, True), (4, False)]
    """
    return [(size_of(dtype, lengths), "S(" not in layout) for dtype, lengths, layout in SHAPE.findall(shapes)]


def size_of(dtype: str, dimensions: str) -> int:
    """Return the bytes of an array as XLA spells it.

    >>> size_of("bf16", "8,4"), size_of("pred", ""), size_of("f8e4m3fn", "16")
    (64, 1, 16)
    """
    bits = re.search(r"\d+", dtype)
    width = 8 if bits is None else int(bits[0])
    return math.prod(int(length) for length in dimensions.split(",") if length) * width // 8
