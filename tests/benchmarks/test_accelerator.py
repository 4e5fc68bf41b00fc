"""Laws of the first ten minutes on an accelerator: a verdict for every check, whatever happens to one of them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import accelerator
from benchmarks.accelerator import ORDER, Outcome, OutOfTime, Session, carry_out, main, measured, stopped_by
from benchmarks.accelerator_checks import CHECKS, idle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path, time.time() + 600, small=True)


def raising(error):
    def check(_):
        raise error

    return check


@pytest.mark.parametrize(
    ("check", "verdict", "word"),
    [
        (lambda _: Outcome("pass", "well"), "pass", "well"),
        (raising(RuntimeError("CUDA_ERROR\nand a page")), "fail", "RuntimeError: CUDA_ERROR"),
        (raising(TimeoutError("longer than 300 s")), "fail", "longer than 300 s"),
        (raising(ValueError()), "fail", "ValueError"),
        (raising(OutOfTime()), "skipped", "time"),
    ],
)
def test_whatever_a_check_does_is_its_own_verdict_of_one_line(session, monkeypatch, check, verdict, word):
    monkeypatch.setitem(ORDER, "this", (1, check))
    outcome = carry_out(session, "this")
    assert outcome.verdict == verdict
    assert word in outcome.text
    assert "\n" not in outcome.text


def test_what_there_is_no_time_or_no_accelerator_for_is_not_begun(session, monkeypatch):
    monkeypatch.setitem(ORDER, "this", (1000, raising(AssertionError("was begun"))))
    assert carry_out(session, "this") == Outcome("skipped", "time")
    session.deadline, session.platform, session.small = time.time() + 9999, "cpu", False
    assert carry_out(session, "this").text.startswith("no accelerator")


def test_a_process_that_takes_too_long_is_ended(session):
    session.deadline = began = time.time()
    session.deadline += 0.5
    with pytest.raises(OutOfTime):
        session.python("-c", "import time; time.sleep(60)")
    assert time.time() - began < 20


def test_a_process_that_fails_says_its_last_line(session, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setitem(ORDER, "this", (1, measured("seeds")))
    assert carry_out(session, "this") == Outcome("fail", "RuntimeError: exit status 1")


@pytest.mark.parametrize(("status", "digest", "verdict"), [(143, "a", "pass"), (0, "a", "fail"), (143, "b", "fail")])
def test_a_stopped_run_passes_by_its_status_and_its_bits(session, monkeypatch, status, digest, verdict):
    def train(self, name, *options, stop=None):
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "metrics.jsonl").write_text("{}\n")
        return {"status": status} if stop else {"params_digest": "a" if "reference" in name else digest}

    monkeypatch.setattr(Session, "train", train)
    assert stopped_by(15, 143)(session).verdict == verdict
    session.platform = "gpu"  # that rounds from run to run as it likes, where it is not told
    unequal = status == 143 and digest == "b"
    assert stopped_by(15, 143)(session).verdict == ("skipped" if unequal else verdict)


@pytest.mark.parametrize("verdict", ["pass", "fail", "skipped"])
def test_the_file_has_every_verdict_and_the_status_tells_of_a_failure(tmp_path, monkeypatch, capsys, verdict):
    monkeypatch.setattr(
        accelerator, "ORDER", {name: (0, lambda _: Outcome(verdict, "so", {"number": 1})) for name in ORDER}
    )
    with pytest.raises(SystemExit) as end:
        main(minutes=1, out=tmp_path / "file.json")
    assert end.value.code == (verdict == "fail")
    found = json.loads((tmp_path / "file.json").read_text())
    assert {each["verdict"] for each in found.values()} == {verdict}
    assert list(found) == list(ORDER)
    lines = capsys.readouterr().out.splitlines()
    assert [line[8:32].strip() for line in lines[: len(ORDER)]] == list(ORDER)
    assert "python -m experiments.cifar preact18-mixup" in lines[-1]


def test_the_process_that_asks_leaves_the_devices_to_those_it_starts():
    assert "import jax" not in Path(accelerator.__file__).read_text()  # JAX takes most of a GPU's memory for itself
    assert next(iter(ORDER)) == "devices"


@pytest.mark.parametrize("options", [{"minutes": 0}, {"minutes": float("nan")}, {"count": 0}])
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(SystemExit, match="error: --"):
        main(**options)


def test_time_in_which_nothing_ran():
    assert idle([]) is None
    assert idle([(3.0, 5.0)]) == 0
    assert idle([(0, 1), (9, 10)]) == pytest.approx(0.8)


@pytest.mark.exhaustive  # minutes of both cores
def test_all_checks_run_small_on_a_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.accelerator", "--smoke", "--minutes=60", f"--out={tmp_path}/out.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    skipped = {name for name, each in found.items() if each["verdict"] == "skipped"}
    assert skipped <= {"convolutions", "deterministic twice"}, done.stdout
    assert len(CHECKS) == 8
