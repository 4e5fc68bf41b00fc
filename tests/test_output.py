"""Laws of what is written for people: any name is shown as it is written, whatever it holds and wherever it goes."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from experiments.commands.errors import one_line_errors
from mixup_jax.report.plots.drawing import png_bytes, svg_text
from mixup_jax.report.plots.illustrations import mixed_samples
from mixup_jax.runtime.progress import progress, progress_bar

ROOT = Path(__file__).parents[1]
NAMES = ("m[/b]x", "[link=a]", "a\\", "{0}", "{task.total}", "$x_$", "caf\udce9", "\N{PLUS-MINUS SIGN}")


def test_no_console_takes_names_for_markup():
    calls = [
        (path, call)
        for part in ("mixup_jax", "experiments")
        for path in (ROOT / part).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Console"
    ]
    assert {path.relative_to(ROOT).as_posix() for path, _ in calls} == {"mixup_jax/runtime/console.py"}
    assert all("markup" in [word.arg for word in call.keywords] for _, call in calls)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_shown_in_progress_bars(monkeypatch, name):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar(name, 10, 0, "images", show=True) as bar:
        bar.update(5, 1.0)
    assert list(progress([1], name)) == [1]
    assert screen.getvalue().count(name) >= 2


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_class_names_get_into_figures_as_they_are_written():
    image = np.zeros((len(NAMES), 4, 4, 3), np.uint8)
    figure = mixed_samples(image, list(range(len(NAMES))), NAMES)
    assert png_bytes(figure)
    assert svg_text(figure)
    words = " ".join(each.get_text() for each in figure.findobj(Text))
    for name in NAMES:
        assert name.replace("\udce9", "?") in words


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_no_encoding_of_the_output_ends_a_command(encoding):
    script = (
        "from experiments.commands.errors import one_line_errors\n"
        "from mixup_jax.runtime.console import console\n"
        "from mixup_jax.report.terminal import summary_table\n"
        "import warnings\n"
        "with one_line_errors():\n"
        "    console().print(summary_table({'\\u96ea \\udce9': [5.5, 5.6]}, title='\\u2014 \\u2501'))\n"
        "    warnings.warn('\\u96ea')\n"
        "    raise ValueError('\\u2014 end \\udce9')\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, timeout=100)
    assert done.returncode == 2, done.stderr
    assert "5.55 ± 0.64".encode(encoding, "ignore").replace(b"5.55  ", b"5.55 +- ") in done.stdout
    assert done.stderr.splitlines()[-1].startswith(b"error: ")
    assert b"Traceback" not in done.stderr


def test_every_file_of_ours_is_read_and_written_in_utf_8():
    """The locale's encoding, which is not UTF-8 everywhere, is nowhere taken for that of a file."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for part in ("mixup_jax", "experiments", "benchmarks")
        for path in (ROOT / part).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("read_text", "write_text")
        if "encoding" not in [word.arg for word in call.keywords]
    ]
    assert found == []


def test_a_stream_of_a_test_or_a_notebook_is_left_alone(capsys):
    with pytest.raises(SystemExit), one_line_errors():
        raise ValueError("said")
    assert capsys.readouterr().err == "error: said\n"


def test_without_a_home_folder_the_cache_ends_with_the_process():
    script = (
        "import os; os.environ.pop('HOME', None); os.environ.pop('XDG_CACHE_HOME', None); os.getuid = lambda: 2**31\n"
        "from mixup_jax.data.files.archives import cache_home, decoded_dir\n"
        "assert cache_home() == cache_home() and cache_home().is_dir()\n"
        "print(cache_home())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "no home folder" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr
    assert not Path(done.stdout.strip()).exists()
