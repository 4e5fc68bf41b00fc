"""The experiments of the paper, one command each."""

import importlib.util
import os
import signal
import sys


def end_in_one_line(number: int, _: object) -> None:
    """End at once: while the command is still being imported nothing has begun that could be left half done."""
    os.write(2, b"stopped: before anything was begun; start the same command again.\n")
    os._exit(128 + number)


if sys.argv[0] == "-m":  # Python is still looking for the command of `python -m experiments.cifar`
    for each in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup and background jobs have it
            signal.signal(each, end_in_one_line)

if not importlib.util.find_spec("tyro"):  # `pip install .` is enough for the functions
    words = "tyro is not installed; the experiments need more than the functions: pip install -r requirements.txt"
    raise ModuleNotFoundError(words, name=__name__)  # by this name Python tells it in one line
