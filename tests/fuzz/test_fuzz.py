"""Every parser keeps the law on its corpus and on some damaged copies; the law itself sees what breaks it."""

import contextlib
import mmap
import os
import pickle
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from .law import MEMORY, Target, fault
from .run import cases, fuzz
from .targets import TARGETS

CASES = 25


@pytest.mark.thorough
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused_in_a_line_that_names_them(name):
    target = TARGETS[name]
    corpus = target.corpus()
    for number, data in enumerate(islice(cases(target, 0, corpus), len(corpus) + CASES)):
        broken = fault(target, data, good=number < target.good)
        assert broken is None, f"case {number}, {data[:60]!r} (of {len(data)} bytes): {broken}"


def breaks(parse, **options):
    return fault(Target("test", "a.bin", list, parse), b"x", **options)


def test_what_the_law_allows_is_no_fault():
    def refuse(folder):
        raise ValueError(f"{folder / 'a.bin'} is bad")

    def keep_a_cache(folder):
        Path(os.environ["XDG_CACHE_HOME"]).mkdir()
        (Path(os.environ["XDG_CACHE_HOME"]) / "kept").write_text("x")

    for parse in (refuse, keep_a_cache, lambda folder: (folder / "a.bin").read_bytes()):
        assert breaks(parse) is None
    assert "a good file is refused" in (breaks(refuse, good=True) or "")


def test_other_exceptions_and_messages_that_do_not_name_the_file_or_have_no_end_are_faults():
    def fail(error):
        raise error

    assert "KeyError" in (breaks(lambda folder: {}["x"]) or "")
    assert "RecursionError" in (breaks(lambda folder: fail(RecursionError())) or "")
    assert "does not name the file" in (breaks(lambda folder: fail(ValueError("it is bad"))) or "")
    assert "characters" in (breaks(lambda folder: fail(ValueError("a.bin" + "x" * 10_000))) or "")
    unnamed = Target("test", "a.bin", list, lambda folder: fail(ValueError("it is bad")), names_file=False)
    assert fault(unnamed, b"x") is None


def test_warnings_writes_elsewhere_programs_and_names_of_pickles_are_faults(tmp_path):
    import warnings

    for parse, word in (
        (lambda folder: warnings.warn("odd", RuntimeWarning, stacklevel=2), "RuntimeWarning"),
        (lambda folder: (tmp_path / "stray").write_text("x"), "outside of its folder"),
        (lambda folder: (folder / ".." / "stray").write_text("x"), "outside of its folder"),
        (lambda folder: (tmp_path / "stray").mkdir(), "outside of its folder"),
        (lambda folder: subprocess.run(["true"], check=False), "subprocess.Popen"),
        (lambda folder: os.system("true"), "os.system"),
        (lambda folder: pickle.loads(pickle.dumps(Path)), "pickle.find_class"),
    ):
        assert word in (breaks(parse) or ""), word
    assert list(tmp_path.iterdir()) == []


def test_a_hang_and_too_much_memory_are_faults():
    def spin(folder):
        while True:
            with contextlib.suppress(Exception):
                time.process_time()

    assert "Hang" in (breaks(spin, seconds=0.2) or "")
    assert "MemoryError" in (breaks(lambda folder: bytearray(2 * MEMORY)) or "")
    assert "OSError" in (breaks(lambda folder: mmap.mmap(-1, 2 * MEMORY)) or "")


def test_what_breaks_the_law_is_kept_small_and_the_same_seed_makes_the_same_cases(tmp_path):
    def parse(folder):
        if b"!" in (folder / "a.bin").read_bytes():
            raise KeyError("!")

    target = Target("test", "a.bin", lambda: [b"good " * 100, b"bad! " * 100], parse)
    assert fuzz(target, 0, 0, tmp_path) == 1
    assert (tmp_path / "test-1").read_bytes() == b"!"
    first, again, other = (list(islice(cases(target, seed, [b"0123"]), 50)) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.slow
def test_the_command_says_what_it_did_and_survives_a_process_that_dies(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", "2", "--only", "table_json", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "table_json" in done.stdout
    assert "no target broke the law" in done.stdout
    assert list(tmp_path.iterdir()) == []
