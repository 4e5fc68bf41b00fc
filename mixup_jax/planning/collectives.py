"""What devices say to each other in a compiled program: every collective operation, its bytes, and what it is for.

Compilers merge collectives and lose their names on the way. So what a merged one is for is read off the operations
that its operands come from, one by one; and what is gathered, off the arguments of the program that it depends on.
"""

import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixup_jax.planning.program import SHAPE, Instruction, Program, leaves_of, size_of

KINDS = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)
SUMS = ("all-reduce", "reduce-scatter")

GRADIENTS, SCATTERED = "gradients", "gradients scattered"
STATISTICS, METRICS = "BatchNorm statistics", "metrics"
PARAMETERS, ACTIVATIONS = "parameters gathered", "activations"
IMAGES, LABELS = "images", "labels"
EXAMPLES = (IMAGES, ACTIVATIONS)
"""What partners move where they are on other devices: images, or what a layer in which they are mixed is given."""


@dataclass(frozen=True)
class Part:
    """What a collective carries for one purpose: bytes of the whole, type of its numbers as XLA spells it."""

    purpose: str
    size: int
    dtype: str


@dataclass(frozen=True)
class Collective:
    """A collective operation. A merged one serves several purposes."""

    kind: str
    parts: tuple[Part, ...]
    group: tuple[int, ...] = ()
    """Devices of the first of the groups that exchange among themselves; none where all do."""

    @property
    def size(self) -> int:
        """Return the bytes of the whole: of what is summed, or of what is gathered from all."""
        return sum(part.size for part in self.parts)

    @property
    def purposes(self) -> tuple[str, ...]:
        """Return what it is for, the largest part first."""
        sizes = {part.purpose: 0 for part in self.parts}
        for part in self.parts:
            sizes[part.purpose] += part.size
        return tuple(sorted(sizes, key=lambda purpose: -sizes[purpose]))


def collectives(text: str) -> tuple[Collective, ...]:
    """Return each collective in the text of a compiled program; one in a loop counts once.

    >>> collectives('''ENTRY %main (y: f32[2,4]) -> f32[8,4] {
    ...   %y = f32[2,4]{1,0} parameter(0), metadata={op_name="state.params['kernel']"}
    ...   ROOT %x = f32[8,4]{1,0} all-gather(%y), channel_id=1, replica_groups=[1,4]<=[4], metadata={op_name="jit(f)"}
    ... }''')
    (Collective(kind='all-gather', parts=(Part(purpose='parameters gathered', size=128, dtype='f32'),),
                group=(0, 1, 2, 3)),)
    """
    program, seen, found = Program(text), set(), []
    for each in program.instructions.values():
        kind = each.operation.removesuffix("-start")
        if kind not in KINDS:
            continue
        channel = re.search(r"channel_id=(\d+)", each.rest)
        if channel and channel[1] in seen:  # a TPU writes one that runs beside other work several times: start and end
            continue
        seen.add(channel[1] if channel else each.name)
        if "all-reduce-scatter" in each.computation:  # a TPU's sum of which each device keeps its share
            kind = "reduce-scatter"
        found.append(Collective(kind, _parts(each, kind, program), group_of(each.rest)))
    return tuple(found)


def group_of(attributes: str) -> tuple[int, ...]:
    """Return the devices of the first group of a collective, written in any of XLA's three ways; none for all devices.

    >>> group_of("replica_groups={{0,1},{2,3}}"), group_of("replica_groups=[2,2]<=[2,2]T(1,0)")
    ((0, 1), (0, 2))
    >>> group_of("replica_groups=mesh['a'=2,'b'=4] {'a'}"), group_of("source_target_pairs={{0,1},{1,0}}")
    ((0, 4), ())
    """
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", attributes):
        return tuple(map(int, listed[1].split(",")))
    if iota := re.search(r"replica_groups=(\[[\d,]+\])<=(\[[\d,]+\](?:T\([\d,]+\))?)", attributes):
        return tuple(_iota(iota[2]).reshape(_numbers(iota[1]))[0].tolist())
    mesh = re.search(
        r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\((\[[\d,]+\](?:T\([\d,]+\))?)\))? \{([^}:]*)\}", attributes
    )
    if mesh is None:
        return ()
    names, lengths = zip(*(axis.split("=") for axis in mesh[1].split(",")), strict=True)
    devices = _iota(mesh[2] or f"[{math.prod(map(int, lengths))}]").reshape([int(length) for length in lengths])
    axes = [names.index(name) for name in mesh[3].split(",")]
    first = tuple(slice(None) if axis in axes else 0 for axis in range(len(names)))
    return tuple(devices[first].reshape(-1).tolist())


def _iota(spelled: str) -> np.ndarray:
    """Return the numbers from 0 in the order of ``[2,4]T(1,0)``: laid out as 2 x 4, axes exchanged."""
    shape, _, order = spelled.partition("T")
    numbers = np.arange(math.prod(_numbers(shape))).reshape(_numbers(shape))
    return numbers.transpose(_numbers(order)) if order else numbers


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _parts(collective: Instruction, kind: str, program: Program) -> tuple[Part, ...]:
    """Return what a collective carries: one part for each operand, and for each array that its one operand joins."""
    name, count = _own_name(collective, program), len(collective.operands)
    arrays = [(dtype, size_of(dtype, lengths)) for dtype, lengths, _ in SHAPE.findall(collective.shapes)]
    if collective.operation.endswith("-start") and len(arrays) >= 2 * count:  # what is given, what comes back, marks
        arrays = arrays[:count] if kind == "reduce-scatter" else arrays[count : 2 * count]
    elif kind == "reduce-scatter" and collective.operation == kind:  # the whole is what is given
        arrays = [(dtype, size * max(1, len(group_of(collective.rest)))) for dtype, size in arrays]
    inputs = list(program.inputs(collective))
    if count == 1 and inputs and "concatenate" in inputs[0].name:
        joined = list(program.inputs(inputs[0]))
        if sum(_size(each) for each in joined) == arrays[0][1]:
            inputs, arrays, name = joined, [(arrays[0][0], _size(each)) for each in joined], ""
    if len(inputs) != len(arrays):
        return (Part(_purpose(kind, name, None, program), sum(size for _, size in arrays), arrays[0][0]),)
    if len(inputs) > 1:  # the name is that of one of those that were merged
        name = ""
    return tuple(
        Part(_purpose(kind, name or _name(each, program), each, program), size, dtype)
        for each, (dtype, size) in zip(inputs, arrays, strict=True)
    )


def _size(instruction: Instruction) -> int:
    return sum(size for size, _ in leaves_of(instruction.shapes))


def _own_name(instruction: Instruction, program: Program) -> str:
    """Return the place of an operation; without a name of its own, that of the operation that calls it."""
    caller = program.caller(instruction)
    return instruction.op_name or (caller.op_name if caller is not None else "")


def _name(instruction: Instruction, program: Program) -> str:
    """Return the place of the nearest operation with a name: this one, or one that it reads from."""
    return next((each.op_name for each in _sources(instruction, program) if each.op_name), "")


def _arguments(instruction: Instruction, program: Program) -> set[str]:
    """Return the names of the program's arguments that an operation depends on."""
    sources = _sources(instruction, program)
    return {each.op_name for each in sources if each.operation == "parameter" and program.caller(each) is None}


def _sources(instruction: Instruction, program: Program) -> Iterator[Instruction]:
    """Yield an operation and all those that it depends on, each once, the nearest first."""
    waiting, seen = deque([instruction]), set()
    while waiting:
        each = waiting.popleft()
        if each.name not in seen:
            seen.add(each.name)
            yield each
            waiting += program.inputs(each)


def _purpose(kind: str, name: str, source: Instruction | None, program: Program) -> str:
    """Return what is exchanged, by the place of the operation in the step and by what it depends on.

    Sums in the network's backward pass are gradients (those of BatchNorm's statistics among them). Sums in its forward
    pass are BatchNorm's, but for those of products; other sums are of metrics. What is gathered depends on the state
    alone (parameters), on the batch alone (images, labels), or on both: activations, after the network the parameters.
    """
    if kind in SUMS and re.search(r"transpose\(.*/(gather|scatter-add)$", name):  # of partners that were gathered
        return ACTIVATIONS
    if kind in SUMS and "transpose(" in name:
        return SCATTERED if kind == "reduce-scatter" else GRADIENTS
    if kind in SUMS and re.search(r"jvp\(\w", name):
        return ACTIVATIONS if re.search(r"(dot_general|conv_general_dilated)$", name) else STATISTICS
    arguments = {name} if source is None else _arguments(source, program)
    of_batch = {argument for argument in arguments if argument.startswith("batch")}
    of_network = any(".params" in argument or "['params']" in argument for argument in arguments)
    if kind in SUMS and (of_network or not of_batch or name.endswith("reduce_sum")):
        return METRICS
    if of_network:
        return ACTIVATIONS if of_batch and "jvp(" in name else PARAMETERS
    return LABELS if of_batch and all("label" in argument for argument in of_batch) else IMAGES
