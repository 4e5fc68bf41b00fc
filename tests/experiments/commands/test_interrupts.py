"""Laws of Ctrl-C and SIGTERM outside of the loop: one line and 128 + signal, whatever is under way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands.errors import one_line_errors

ROOT = Path(__file__).parents[3]

# Python imports this before anything else; it sends the signal when the named module is about to be imported.
SIGNAL_AT_IMPORT = """
import os, signal, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["SIGNAL_AT"]:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))

sys.meta_path.insert(0, Sender())
"""


def run(folder, command, at, number):
    (folder / "sitecustomize.py").write_text(SIGNAL_AT_IMPORT)
    environment = os.environ | {"PYTHONPATH": str(folder), "SIGNAL_AT": at, "SIGNAL": str(int(number))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("name", ["cifar", "report"])  # the package listens for all
def test_a_command_that_is_still_being_imported_ends_in_one_line(tmp_path, name):
    done = run(tmp_path, [f"experiments.{name}", "--help"], f"experiments.{name}", signal.SIGINT)
    assert done.returncode == 130
    assert done.stderr.startswith("stopped: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_so_it_does_while_its_libraries_are_imported(tmp_path, number, code):
    done = run(tmp_path, ["experiments.report", "--help"], "matplotlib", number)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("turned_into", [None, ImportError, ValueError])
def test_a_command_under_way_ends_in_one_line(capsys, number, code, turned_into):
    def library():
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise (turned_into or KeyboardInterrupt)("a library could not be loaded") from error

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stop, one_line_errors():
        library()
    assert stop.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("stopped: ")
    assert len(said.splitlines()) == 1
    assert signal.getsignal(number) is before


def test_who_imports_the_experiments_keeps_the_handlers():
    script = "import signal; a = signal.getsignal(2); import experiments; assert signal.getsignal(2) is a"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
    script = "import sys, signal; sys.argv[0] = '-m'; signal.signal(2, signal.SIG_IGN); import experiments; "
    script += "assert signal.getsignal(2) is signal.SIG_IGN"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
