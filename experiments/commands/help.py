"""What --help shows of a command of many options: those that people use first. --help-all shows all of them."""

import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, Any, get_type_hints

from tyro.conf import Suppress, arg
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

ALL = "--help-all"
FEW = 15
"""Options that --help shows without choosing among them."""
RUN = ("dataset", "model", "method", "alpha", "epochs", "batch_size", "lr", "seeds", "workdir", "smoke")
FIRST: dict[str, Sequence[str]] = {
    "imagenet": ("data_dir", *RUN[1:]),
    "finetune": ("init", "dataset", "split", "image_size", "model", "method", "steps", "lr", "workdir", "smoke"),
    "corrupted_labels": (
        "dataset", "rates", "mixup_alphas", "dropouts", "model", "epochs", "lr", "seeds", "workdir", "smoke",
    ),
    "ablation": ("dataset", "only", "weight_decays", "model", "alpha", "epochs", "lr", "seeds", "workdir", "smoke"),
    "speech": ("dataset", "data_dir", "networks", "mix", "alpha", "epochs", "lr", "seeds", "workdir", "smoke"),
    "wafer": ("source", "noise", "only", "mode", "head", "steps", "lr", "seeds", "workdir", "smoke"),
    "plan": (
        "topology", "fsdp", "model", "method", "image_size", "batch_size", "norm_block", "block", "compute_dtype",
        "matmul_precision",
    ),
}  # fmt: skip
"""What people use first of each experiment's options, `RUN` where it is not here."""


def without_all(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with --help in place of --help-all.

    >>> without_all(["small-erm", "--help-all"])
    ['small-erm', '--help']
    """
    return ["--help" if each == ALL else each for each in arguments]


def asks(arguments: Collection[str]) -> bool:
    """Return whether the arguments ask for help."""
    return not {"-h", "--help", ALL}.isdisjoint(arguments)


def help_of(experiment: str, options: Any, arguments: Sequence[str]) -> tuple[str, ConstructorRegistry | None]:
    """Return what the page of help says of itself, and what makes tyro show the options that are asked for.

    `options` is a dataclass, whose fields may be dataclasses, of a command that `arguments` are for.
    """
    if not asks(arguments):  # tyro suggests no option that is not shown
        return "", None
    names = names_of(options)
    first = FIRST.get(experiment.split()[0], RUN)
    if len(names) > FEW and ALL not in arguments:
        words = f"\n\nThe options that people use first; --help-all shows all {len(names)}."
        return words, _showing(first, together=True)
    words = f"\n\nAll {len(names)} options; --help shows those that people use first." if len(names) > FEW else ""
    return words, _showing(names, together=False)


def names_of(options: Any) -> list[str]:
    """Return the names of the options in a dataclass and in its fields.

    >>> from mixup_jax.choices import Softmax
    >>> names_of(Softmax())
    []
    """
    hints = get_type_hints(type(options), include_extras=True)
    hidden = [name for name, hint in hints.items() if Suppress in getattr(hint, "__metadata__", ())]
    found = [(each.name, getattr(options, each.name)) for each in fields(options) if each.name not in hidden]
    return [name for key, value in found for name in (names_of(value) if is_dataclass(value) else [key])]


def _showing(names: Collection[str], *, together: bool) -> ConstructorRegistry:
    """Return the rule by which tyro shows these options: `together`, or those of each field below its name."""
    registry, within = ConstructorRegistry(), [False]

    def field(spec: StructFieldSpec) -> StructFieldSpec:
        if is_dataclass(spec.default):
            label = arg(name="") if together else arg(name=spec.name, prefix_name=False)
            return replace(spec, type=Annotated[spec.type, label], helptext="")
        return spec if spec.name in names else replace(spec, type=Annotated[spec.type, Suppress])

    @registry.struct_rule
    def rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if within[0]:  # tyro's own rule
            return None
        within[0] = True
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            within[0] = False
        return replace(spec, fields=tuple(map(field, spec.fields))) if isinstance(spec, StructConstructorSpec) else None

    return registry


class Wrapping:
    """Standard output, where no line of prose is longer than the terminal: tyro prints each paragraph as one line."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, with its long lines broken, and no more than one line empty."""
        width = shutil.get_terminal_size().columns
        lines = re.sub(r"\n{3,}", "\n\n", text).split("\n")
        self._stream.write("\n".join(wrapped(line, width) for line in lines))
        return len(text)


def print_about(description: str, usage: str) -> None:
    """Print the help of a command whose arguments tyro does not read, or not all."""
    print(f"{in_paragraphs(description)}\n{usage}", file=Wrapping(sys.stdout))  # type: ignore


def wrapped(line: str, width: int) -> str:
    r"""Break a line of prose, or of a list of names, between words; commands, boxes and colours stay as they are.

    >>> print(wrapped("  paper   What the paper did.", 20))
      paper   What the
              paper did.
    >>> wrapped("    python -m experiments.cifar", 20)
    '    python -m experiments.cifar'
    """
    start = re.match(r"  \S+ +(?=\S)|(?=[\w`])(?!usage:)", line)
    if start is None:
        return line
    return textwrap.fill(
        line, width, subsequent_indent=" " * start.end(), break_long_words=False, break_on_hyphens=False
    )


def in_paragraphs(text: str) -> str:
    """Return the text with each paragraph on one line: of a docstring's lines tyro keeps those that begin with a digit.

    >>> in_paragraphs("Errors: 5,\\n6.\\n\\n    a command\\n    another")
    'Errors: 5, 6.\\n\\n    a command\\n    another'
    """
    return re.sub(r"(?<=\S)\n(?=\S)", " ", text)
