"""The cost of a compiled program for each device: memory, operations, communication. Nothing is run."""

import math
import re
from dataclasses import dataclass
from typing import Any

COLLECTIVE = re.compile(
    r"^\s*(?:ROOT )?%?\S+ = (?P<shapes>.+?) "
    r"(?P<kind>all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast|reduce-scatter)"
    r"(?P<start>-start)?\(",
    re.MULTILINE,
)
OP_NAME = re.compile(r'op_name="([^"]*)"')


@dataclass(frozen=True)
class Collective:
    """A collective operation: its kind, the bytes of its result on each device, and the name of the operation."""

    kind: str
    size: int
    op_name: str

    @property
    def purpose(self) -> str:
        """Return what is exchanged, by the place of the operation in the step.

        Sums in the network's forward pass are BatchNorm's, sums in its backward pass are gradients (those of
        BatchNorm's statistics among them), other sums are of metrics; all else moves examples.
        """
        if self.kind not in ("all-reduce", "reduce-scatter"):
            return "examples"
        if "transpose(" in self.op_name:
            return "gradients"
        return "BatchNorm statistics" if "jvp(" in self.op_name else "metrics"


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
    """Read from and written to main memory: of a TPU by its text, elsewhere what all operations take and return."""
    collectives: tuple[Collective, ...]

    @property
    def peak(self) -> int:
        """Return the most memory that is needed at a time."""
        return self.arguments + self.outputs - self.donated + self.temporary

    def exchanged(self) -> dict[str, tuple[int, int]]:
        """Return how many collectives there are of each purpose, and their bytes."""
        purposes = dict.fromkeys(each.purpose for each in self.collectives)
        sizes = {purpose: [each.size for each in self.collectives if each.purpose == purpose] for purpose in purposes}
        return {purpose: (len(found), sum(found)) for purpose, found in sizes.items()}

    def moved(self, image: int) -> tuple[Collective, ...]:
        """Return the collectives that move examples, as large as one of `image` bytes or larger."""
        return tuple(each for each in self.collectives if each.purpose == "examples" and each.size >= image)


def cost_of(compiled: Any) -> Cost:
    """Return the cost of a program for each device; `compiled` is the result of ``jit(...).lower(...).compile()``."""
    memory, analysis, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    traffic = memory_traffic(text)
    return Cost(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes,
        donated=memory.alias_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        flops=analysis["flops"],
        accessed=analysis["bytes accessed"] if traffic is None else traffic,
        collectives=collectives(text),
    )


def collectives(program: str) -> tuple[Collective, ...]:
    """Return each collective in the text of a compiled program.

    >>> collectives('%x = f32[8,4]{1,0} all-gather(%y), channel_id=1, metadata={op_name="jit(f)/gather"}')
    (Collective(kind='all-gather', size=128, op_name='jit(f)/gather'),)
    """
    found = []
    for match in COLLECTIVE.finditer(program):
        sizes = [size for size, _ in leaves_of(match["shapes"])]
        if match["start"] and match["kind"] not in ("all-reduce", "reduce-scatter") and len(sizes) > 1:
            sizes = sizes[len(sizes) // 2 :] if match["kind"] == "all-gather" else sizes[1:2]  # after the operands
        line = program[match.start() : program.find("\n", match.end()) % (len(program) + 1)]
        name = OP_NAME.search(line)
        found.append(Collective(match["kind"], sum(sizes), name[1] if name else ""))
    return tuple(found)


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
