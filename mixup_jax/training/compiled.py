"""What a compiled program costs a device: memory, operations, and what it says to the other devices. Nothing is run."""

import re
from dataclasses import dataclass
from typing import Any

from mixup_jax.training.traffic import leaves_of, memory_traffic

COLLECTIVE = re.compile(
    r"^\s*(?:ROOT )?%?\S+ = (?P<shapes>.+?) "
    r"(?P<kind>all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast|reduce-scatter)"
    r"(?P<start>-start)?\(",
    re.MULTILINE,
)
OP_NAME = re.compile(r'op_name="([^"]*)"')


@dataclass(frozen=True)
class Collective:
    """One exchange between devices: its kind, the bytes of its result on each device, and where it comes from."""

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
    """What one run of a program costs each device. Sizes are in bytes; a collective in a loop is counted once."""

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
    """Return what a program costs each device; `compiled` is what ``jit(...).lower(...).compile()`` returns."""
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
