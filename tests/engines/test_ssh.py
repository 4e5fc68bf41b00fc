"""docs/launching/ssh.sh with real sshd on two hosts: what stops a run, what it does then, and that no bit changes."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
from hosts import ROOT, hosts, needs, until

from mixup_jax.runtime.devices.distributed import LOST_SECONDS

pytestmark = pytest.mark.engines

SCRIPT = ROOT / "docs" / "launching" / "ssh.sh"
EPOCHS = 100
TRAIN = ["-m", "experiments.cifar", "small-mixup", "--dataset=digits", "--train-examples=256", "--batch-size=32"]
TRAIN += ["--seeds=1", "--lr=0.02", "--eval-every=1", "--model=mlp", "--width=32", f"--epochs={EPOCHS}"]
SERVER = """
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
PermitRootLogin yes
PasswordAuthentication no
StrictModes no
UsePAM no
"""
CLIENT = """
Host *
    IdentityFile {folder}/user_key
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile {folder}/known_hosts
    LogLevel ERROR
"""


def executable(path, text):
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two hosts that run sshd, and a folder that both see, with an `ssh` that has keys of its own."""
    needs("ssh", "sshd", "ssh-keygen")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SERVER.format(folder=folder))
    (folder / "ssh_config").write_text(CLIENT.format(folder=folder))
    (folder / "bin").mkdir()
    executable(folder / "bin" / "ssh", f'exec /usr/bin/ssh -F {folder}/ssh_config "$@"')
    flags = "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0"
    variables = f"XDG_CACHE_HOME={folder}/cache XLA_FLAGS='{flags}'"  # sshd takes none of ours over
    executable(folder / "my python", f'export {variables}\nexec {sys.executable} "$@" 2>>{folder}/errors')
    with hosts(folder, 2) as started:
        for host in started:
            host.run("mkdir", "/run/sshd")
            host.run("/usr/sbin/sshd", "-f", folder / "sshd_config")
        yield folder, started


@contextlib.contextmanager
def launch(two, name):
    """Start ssh.sh on the first host."""
    folder, started = two
    variables = {"PYTHON": str(folder / "my python"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [SCRIPT, "h0", "h1", "--", *TRAIN, f"--workdir={folder / name}"]
    with started[0].start("bash", *command, env=os.environ | variables, **pipes) as script:
        yield script
        script.kill()


def lines(two, name):
    path = two[0] / name / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


def learns(two, name, script):
    """Wait until a run has learned for an epoch more."""
    before = len(lines(two, name))
    until(lambda: len(lines(two, name)) > before or script.poll() is not None, 200)
    assert script.poll() is None, script.stdout.read()


def ends(two, name):
    with launch(two, name) as script:
        out, _ = script.communicate(timeout=400)
    assert script.returncode == 0, out
    return json.loads((two[0] / name / "result.json").read_text())["params_digest"]


def training(two):
    """Return the process numbers of runs on both hosts."""
    numbers = "pgrep -f [e]xperiments.cifar || true"
    return [number for host in two[1] for number in host.run("sh", "-c", numbers).split()]


def saved(two):
    """Return how often a run has said that it was stopped, and at which step."""
    return (two[0] / "errors").read_text().count("stopped: at step")


def test_a_run_that_is_stopped_and_whose_terminal_goes_comes_to_the_bits_of_one_left_alone(two):
    with launch(two, "stopped") as script:
        learns(two, "stopped", script)
        two[1][0].run("pkill", "-TERM", "-f", f"^bash {SCRIPT}")
        out, _ = script.communicate(timeout=60)
    assert script.returncode == 128 + signal.SIGTERM, out
    assert saved(two) == 2
    assert not training(two)

    with launch(two, "stopped") as script:
        learns(two, "stopped", script)
        two[1][0].kill("^/usr/bin/ssh -F")  # the terminal goes: SIGHUP on the hosts
        until(lambda: not training(two), 2 * LOST_SECONDS, lambda: str(training(two)))
    assert saved(two) == 4
    assert len(lines(two, "stopped")) < EPOCHS

    assert ends(two, "stopped") == ends(two, "alone")
