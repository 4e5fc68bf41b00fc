"""Why a run ended before its last step. What is wrong with an argument is a ValueError or a TypeError instead."""

import difflib
import signal
from collections.abc import Callable, Iterable

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""Which ask a run to stop; Windows has no SIGHUP."""


class RunEnded(Exception):
    """A run ended early; the message is one sentence for the person who started it."""

    exit_code = 1


class Stopped(RunEnded):
    """A run was asked to stop; its state is saved, and the same command goes on from there."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number  # the shell's convention: a scheduler must not take this for the end of the job


class TimeIsUp(Stopped):
    """A run left before its --max-hours were over; its state is saved, and the same command goes on from there."""

    def __init__(self, message: str):
        super().__init__(message, 0)
        self.exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again later


class NotFinite(RunEnded):
    """The loss or the gradient of a step was not finite."""

    exit_code = 2  # as bad input: the same command would come to the same step, so no scheduler should start it again


class CheckpointError(RunEnded):
    """A checkpoint could not be written; the message says which and what is left."""


def reason_of(error: BaseException) -> str:
    """Return the message of an error on one line, at most 300 characters, or its type where it has no message.

    >>> reason_of(OSError("no\\n  space")), reason_of(EOFError())
    ('no space', 'EOFError')
    """
    return " ".join(str(error)[:300].split()) or type(error).__name__


def did_you_mean(given: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """Return the end of a message that asks for the names which an unknown one may mean; empty where none is near.

    Capitals, and marks between words, count for nothing. `written` makes of a name what it is given as.

    >>> did_you_mean("vgg16_bn_gap", ["vgg16_bn", "vgg16_gap"]), did_you_mean("Vgg16-bn", ["vgg16_bn", "vgg16_gap"])
    ('; did you mean vgg16_gap or vgg16_bn?', '; did you mean vgg16_bn?')
    >>> did_you_mean("nothing", ["vgg16_bn", "vgg16_gap"])
    ''
    """
    words = {_letters(each): each for each in known}
    near = (
        [_letters(given)]
        if _letters(given) in words
        else difflib.get_close_matches(_letters(given), words, cutoff=0.61)
    )
    *names, last = [written(words[each]) for each in near] or [""]
    return f"; did you mean {', '.join(names)}{' or ' * bool(names)}{last}?" if last else ""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
