"""The cost of a compiled program for each device: memory, operations, communication. Nothing is run."""

import re
from dataclasses import dataclass
from typing import Any

from mixup_jax.planning.collectives import ACTIVATIONS, IMAGES, KINDS, SUMS, Collective, Part, collectives
from mixup_jax.planning.program import Leaves, Program, leaves_of

NOTHING = {"bitcast", "tuple", "get-tuple-element", "parameter", "constant", "after-all", "opt-barrier", "partition-id"}
"""Operations that only give a name to what is there."""


@dataclass(frozen=True)
class Cost:
    """The cost of one run of a program for each device. Sizes are in bytes; a collective in a loop counts once."""

    arguments: int
    outputs: int
    donated: int
    """Of the outputs, what takes the place of an argument."""
    temporary: int
    """The most that is needed at a time between arguments and outputs."""
    flops: float
    """Floating-point operations; a multiply-add is two."""
    accessed: float
    """Read from and written to main memory: by the program's text, of a CPU what all operations take and return."""
    collectives: tuple[Collective, ...]
    operations: int = 0
    """Operations one after the other: kernels of a GPU."""

    @property
    def peak(self) -> int:
        """Return the most memory that is needed at a time."""
        return self.arguments + self.outputs - self.donated + self.temporary

    def exchanged(self) -> dict[str, tuple[int, int]]:
        """Return how many collectives serve each purpose, and the bytes that they carry for it."""
        counts: dict[str, tuple[int, int]] = {}
        for each in self.collectives:
            for purpose in each.purposes:
                count, size = counts.get(purpose, (0, 0))
                carried = sum(part.size for part in each.parts if part.purpose == purpose)
                counts[purpose] = (count + 1, size + carried)
        return counts

    def moved(self, image: int) -> tuple[Collective, ...]:
        """Return the collectives that move images, one of `image` bytes or more, or what a layer made of them."""

        def moves(each: Collective, part: Part) -> bool:
            if part.purpose == IMAGES:
                return part.size >= image
            return part.purpose == ACTIVATIONS and each.kind not in SUMS

        return tuple(each for each in self.collectives if any(moves(each, part) for part in each.parts))


def cost_of(compiled: Any, flops: float | None = None) -> Cost:
    """Return the cost of a program for each device; `compiled` is the result of ``jit(...).lower(...).compile()``.

    `flops` are counted elsewhere where the compiler does not say all of them (`aot.asked_flops`).
    """
    memory, analysis, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    accessed, operations = memory_traffic(text)
    return Cost(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes,
        donated=memory.alias_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        flops=analysis["flops"] if flops is None else flops,
        accessed=accessed,
        collectives=collectives(text),
        operations=operations,
    )


def memory_traffic(text: str) -> tuple[int, int]:
    """Return the bytes that one run moves between main memory and chip, and the operations that it consists of.

    Operations read their operands and write their results once, copies that run beside other work move what they copy,
    and the body of a loop counts as often as the compiler knows it to run, else once. What a TPU's program keeps on the
    chip (its layouts say so) is free; what a cache keeps counts. Padding of tiles is left out.

    >>> text = '''
    ... ENTRY %main (a: f32[8]) -> f32[8] {
    ...   %a = f32[8]{0:T(128)} parameter(0)
    ...   %b = f32[8]{0:T(128)S(1)} negate(%a)
    ...   ROOT %c = f32[8]{0:T(128)} negate(%b)
    ... }
    ... '''
    >>> memory_traffic(text)    # %a is read, %c written
    (64, 2)
    """
    program = Program(text)
    return _traffic(program.entry, program)


def _traffic(computation: str, program: Program) -> tuple[int, int]:
    """Return traffic and number of the instructions of one computation."""
    results: dict[str, Leaves] = {}
    total = count = 0
    for each in program.of(computation):
        leaves = results[each.name] = leaves_of(each.shapes)
        inputs = [leaf for operand in each.operands for leaf in results.get(operand, [])]
        if each.operation in NOTHING or each.operation.endswith("-done") or "ConcatBitcast" in each.rest:
            continue
        if each.operation in ("while", "call"):
            inner = re.search(r"\b(?:body|to_apply)=%?([\w.-]+)", each.rest)
            times = re.search(r'known_trip_count[^}]*?"(\d+)"', each.rest)
            size, operations = _traffic(inner[1], program) if inner else (0, 0)
            total += size * int(times[1] if times else 1)
            count += operations * int(times[1] if times else 1)
            continue
        count += 1
        if each.operation == "copy-start":  # (what is written, what is read, a mark)
            total += sum(size for size, main in leaves[:2] if main)
        elif each.operation == "slice-start":  # (what is cut, the piece, a mark)
            total += sum(leaves[-2][0] for main in (leaves[0][1], leaves[-2][1]) if main)
        else:
            given = len(each.operands)
            if each.operation.removesuffix("-start") in KINDS and len(leaves) >= 2 * given > 0:
                leaves = leaves[given : 2 * given]  # (what is given, what comes back, marks)
            total += sum(size for size, main in (*inputs, *leaves) if main)
    return total, count
