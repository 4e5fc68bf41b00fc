"""The text of a compiled program (XLA's HLO): its operations, what they take and return."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

SHAPE = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\](\{[^}]*\})?")
COMPUTATION = re.compile(r"^(ENTRY )?%?(\S+) \(.*\{\n((?:.*\n)*?)\}", re.MULTILINE)
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?(\S+) = (.+?) ([a-z][\w-]*)\(([^)\n]*)\)(.*)$", re.MULTILINE)
OP_NAME = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
CALLED = re.compile(r"\b(?:calls|to_apply|body)=%?([\w.-]+)")

Leaves = list[tuple[int, bool]]
"""Bytes of each array of a result, and whether it is in main memory."""


@dataclass(frozen=True)
class Instruction:
    """One operation of a program."""

    name: str
    shapes: str
    """What it returns."""
    operation: str
    operands: tuple[str, ...]
    """Names of the operations whose results it takes; of a parameter its number."""
    rest: str
    """Attributes and metadata."""
    computation: str
    """The computation that it is part of."""

    @property
    def op_name(self) -> str:
        """Return the place of the operation in the traced function, as JAX names it; empty where it is not known."""
        found = OP_NAME.search(self.rest)
        return found[1].replace("\\'", "'") if found else ""


class Program:
    """The operations of a program, by name, in the order of the text."""

    def __init__(self, text: str):
        """Read the text that ``compiled.as_text()`` returns."""
        self.instructions: dict[str, Instruction] = {}
        self.entry = ""
        for is_entry, computation, body in COMPUTATION.findall(text):
            self.entry = computation if is_entry else self.entry
            for name, shapes, operation, operands, rest in INSTRUCTION.findall(body):
                inputs = (operands,) if operation == "parameter" else tuple(re.findall(r"%([\w.-]+)", operands))
                self.instructions[name] = Instruction(name, shapes, operation, inputs, rest, computation)

    def of(self, computation: str) -> list[Instruction]:
        """Return the operations of one computation."""
        return self._by_computation.get(computation, [])

    def inputs(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield the operations that `instruction` reads from.

        Of a called computation's parameter it is the caller's operand, of an element of a tuple that element alone.
        """
        operands: tuple[str, ...] = instruction.operands
        if instruction.operation == "get-tuple-element" and operands[0] in self.instructions:
            made, index = self.instructions[operands[0]], re.search(r"index=(\d+)", instruction.rest)
            if made.operation == "tuple" and index:
                operands = made.operands[int(index[1]) : int(index[1]) + 1]
        if instruction.operation == "parameter":
            caller, number = self.caller(instruction), int(instruction.operands[0])
            operands = caller.operands[number : number + 1] if caller is not None else ()
        yield from (self.instructions[name] for name in operands if name in self.instructions)

    def caller(self, instruction: Instruction) -> Instruction | None:
        """Return the operation that calls the computation of `instruction`; None in the program's entry."""
        return self._callers.get(instruction.computation)

    @cached_property
    def _by_computation(self) -> dict[str, list[Instruction]]:
        found: dict[str, list[Instruction]] = {}
        for each in self.instructions.values():
            found.setdefault(each.computation, []).append(each)
        return found

    @cached_property
    def _callers(self) -> dict[str, Instruction]:
        return {called: each for each in self.instructions.values() for called in CALLED.findall(each.rest)}


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
