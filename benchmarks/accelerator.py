"""The first ten minutes on a GPU or TPU: is what it computes right, complete and fast? One verdict a line.

    python -m benchmarks.accelerator                      # in the order of importance, until ten minutes are over
    python -m benchmarks.accelerator --minutes 30 --count 8 --out accelerator.json
    python -m benchmarks.accelerator --smoke              # the same checks, small, on the CPU of any machine

Each check is a process of its own: none takes the others down, and this one leaves the devices alone. What there is no
time for is skipped, and says so. Exit status 1 if one failed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from mixup_jax.runtime.atomic import write_json
from mixup_jax.runtime.console import write_any_character

TRAIN = (
    *("-m", "experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=512", "--width=8", "--blocks=1"),
    *("--batch-size=64", "--epochs=100", "--eval-every=4", "--seeds=1"),
)
SMALL = ("--epochs=24", "--eval-every=2")
"""Options that shorten it."""
PAPER = "python -m experiments.cifar preact18-mixup --dataset cifar10 --seeds 1 --workdir runs/preact18-mixup"
ALONE, DETERMINISTIC = "reference", "--deterministic"
"""The run that is left alone; the option of the exact ones."""
LONGEST = 300.0
"""Seconds that one check may take."""


@dataclass(frozen=True)
class Outcome:
    """The answer to a check: pass, fail or skipped, one line that says why, and what was measured."""

    verdict: str
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)


def passed(condition: Any, text: str, **numbers: Any) -> Outcome:
    """Return an outcome by a condition."""
    return Outcome("pass" if condition else "fail", text, numbers)


class OutOfTime(Exception):
    """The time of all checks is over."""


@dataclass
class Session:
    """The time that is left, a folder for runs and their compiled programs, and what earlier checks have found."""

    folder: Path
    deadline: float
    small: bool
    count: int | None = None
    exact: tuple[str, ...] = ()
    """Options with which a run computes the same bits each time."""
    platform: str = ""

    def python(self, *arguments: str, stop: tuple[int, Path] | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python; with `stop`, send a signal as soon as the folder of checkpoints has a whole one.

        Raises OutOfTime where the time of all is over, TimeoutError where that of one check is.
        """
        limit = min(time.time() + LONGEST, self.deadline)
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(self.folder / "compiled")}
        command = [sys.executable, *arguments]
        log = self.folder / "output.txt"
        with log.open("w") as out:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, text=True)
            try:
                while process.poll() is None:
                    if time.time() > limit:
                        raise OutOfTime if limit == self.deadline else TimeoutError(f"longer than {LONGEST:.0f} s")
                    if stop and any(each.name.isdigit() for each in stop[1].glob("*")):
                        process.send_signal(stop[0])
                        stop = None
                    time.sleep(0.05)
            finally:
                process.kill()
                process.wait()
        return subprocess.CompletedProcess(command, process.returncode, log.read_text(encoding="utf-8"))

    def train(self, name: str, *options: str, stop: int | None = None) -> dict:
        """Train in a folder by the name, once; return its result, or, when stopped, its exit status."""
        folder = self.folder / "-".join((name, *options))
        result = folder / "result.json"
        if not result.exists():
            options = (*TRAIN, *(SMALL if self.small else ()), *options, f"--workdir={folder}")
            done = self.python(*options, stop=(stop, folder / "checkpoints") if stop else None)
            if stop:
                return {"status": done.returncode}
            if done.returncode:
                raise RuntimeError(_last_line(done))
        return json.loads(result.read_text(encoding="utf-8"))


def measured(name: str) -> Callable[[Session], Outcome]:
    """Return the check by this name of `accelerator_checks`."""

    def check(session: Session) -> Outcome:
        done = session.python("-m", "benchmarks.accelerator_checks", name, *(["--small"] if session.small else []))
        if done.returncode:
            raise RuntimeError(_last_line(done))
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))

    return check


def devices(session: Session) -> Outcome:
    """Look at the devices, and whether there are as many as expected."""
    found = measured("devices")(session)
    session.platform = found.numbers["platform"]
    if session.count not in (None, found.numbers["count"]):
        return Outcome("fail", f"{found.text}; {session.count} were expected", found.numbers)
    return found


def twice(session: Session) -> Outcome:
    """Train twice; a GPU may round differently from run to run."""
    one, other = session.train(ALONE), session.train("again")
    equal = one["params_digest"] == other["params_digest"]
    pairs = zip(one["test_loss"], other["test_loss"], strict=True)
    close = all(abs(a - b) < 0.1 for a, b in pairs)
    text = "the same bits" if equal else f"other bits, test losses {one['test_loss']} and {other['test_loss']}"
    return passed(equal or (session.platform == "gpu" and close), text)


def deterministic(session: Session) -> Outcome:
    """Train twice as deterministically as the platform can."""
    try:
        one = session.train(ALONE, DETERMINISTIC)
    except RuntimeError as error:
        if "deterministic" in str(error):
            return Outcome("skipped", str(error))
        raise
    session.exact = (DETERMINISTIC,)
    equal = one["params_digest"] == session.train("again", DETERMINISTIC)["params_digest"]
    return passed(equal, "the same bits" if equal else "other bits")


def stopped_by(number: int, status: int) -> Callable[[Session], Outcome]:
    """Return the check that a run which a signal ends goes on to the bits of one that was left alone."""

    def check(session: Session) -> Outcome:
        name, expected = signal.Signals(number).name, session.train(ALONE, *session.exact)
        ended = session.train(name, *session.exact, stop=number)["status"]
        if ended != status:
            return passed(False, f"exit status {ended}, not {status}")
        folder = session.folder / "-".join((name, *session.exact))
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        again = session.train(name, *session.exact)
        equal = again["params_digest"] == expected["params_digest"]
        text = f"status {ended} after {len(lines)} evaluations, then {'the same' if equal else 'OTHER'} bits"
        if not equal and session.platform == "gpu" and not session.exact:
            return Outcome("skipped", f"{text}; without --deterministic that says nothing")
        return passed(equal, text)

    return check


def compiling(session: Session) -> Outcome:
    """Compare the time to the first step of two runs: compiled anew, and from the cache."""
    if not (session.folder / "again" / "result.json").exists():
        return Outcome("skipped", "the run was not taken twice")
    new, kept = (session.train(name)["first_step_seconds"] for name in (ALONE, "again"))
    text = f"first step after {new:.1f} s, from the cache {kept:.1f} s"
    return passed(session.small or kept <= new, text, new=new, kept=kept)


ORDER: dict[str, tuple[float, Callable[[Session], Outcome]]] = {
    "devices": (5, devices),
    "same bits twice": (40, twice),
    "float32 step, highest": (20, measured("float32-highest")),
    "float32 step, default": (20, measured("float32-default")),
    "ResNet-50, bfloat16": (60, measured("resnet50")),
    "deterministic twice": (40, deterministic),
    "SIGKILL and resume": (40, stopped_by(signal.SIGKILL, -signal.SIGKILL)),
    "SIGTERM saves": (40, stopped_by(signal.SIGTERM, 128 + signal.SIGTERM)),
    "evaluation counts": (20, measured("evaluation")),
    "time between calls": (30, measured("lost")),
    "four seeds at once": (30, measured("seeds")),
    "convolutions": (10, measured("convolutions")),
    "compile cache": (0, compiling),
}
"""Checks, the most important first, with the seconds without which none is begun."""


def carry_out(session: Session, name: str) -> Outcome:
    """Carry a check out; whatever it raises is its outcome."""
    least, check = ORDER[name]
    if session.platform == "cpu" and not session.small:
        return Outcome("skipped", "no accelerator; --smoke runs all checks small")
    if session.deadline - time.time() < least:
        return Outcome("skipped", "time")
    try:
        return check(session)
    except OutOfTime:
        return Outcome("skipped", "time")
    except Exception as error:  # whatever it was, the others go on
        return Outcome("fail", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


def main(
    minutes: float = 10.0,
    count: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("accelerator.json"),
) -> None:
    """Check, print a verdict a line, write all of them as JSON after each.

    Args:
        minutes: Time for all checks.
        count: Devices that there should be.
        smoke: Small, on any machine.
        out: Where the verdicts go.
    """
    if not 0 < minutes <= 1440:
        raise SystemExit(f"error: --minutes must be above 0 and at most 1440, a day, got {minutes:g}")
    if count is not None and count < 1:
        raise SystemExit(f"error: --count must be at least 1, got {count}")
    outcomes: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), time.time() + 60 * minutes, smoke, count)
        for name in ORDER:
            began = time.time()
            outcome = carry_out(session, name)
            outcomes[name] = asdict(outcome) | {"took": round(time.time() - began, 1)}
            print(f"{outcome.verdict:<8}{name:<24}{outcome.text}", flush=True)
            write_json(out, outcomes)
    failed = [name for name, each in outcomes.items() if each["verdict"] == "fail"]
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    print(f"next, the paper's recipe; started again, it goes on where it was:\n    {PAPER}")
    raise SystemExit(1 if failed else 0)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {done.returncode}"


if __name__ == "__main__":
    write_any_character()
    tyro.cli(main, prog="python -m benchmarks.accelerator", description=__doc__)
