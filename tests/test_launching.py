"""The launching scripts of docs/: their syntax, and that each command line in them is one of ours."""

import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.commands.command_line import parse
from experiments.imagenet import __main__ as imagenet
from experiments.imagenet.presets import ImageNet
from mixup_jax.runtime.devices.libtpu import answer_without_tpu
from mixup_jax.runtime.errors import NotFinite

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "docs" / "launching").glob("*.sh"))
JOBS = {name: (text, ImageNet(config)) for name, (text, config) in imagenet.PRESETS.items()}


def read(arguments):
    """Parse arguments as `python -m experiments.imagenet` does."""
    return parse("imagenet", "", JOBS, imagenet.DEFAULT, arguments)


def commands(text):
    """Return the arguments of each run in a script, its variables replaced by 1."""
    text = re.sub(r"\\\n\s*", " ", text)
    text = re.sub(r"\$\{?\w+\}?", "1", text)
    found = re.findall(r" -m experiments\.imagenet ([^\n&]*)", text)
    return [shlex.split(each.strip().replace('"', "")) for each in found]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_bash_and_runs_a_command_of_ours(script):
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    (arguments,) = commands(script.read_text())
    preset, job = read(arguments)
    assert preset == "resnet50-mixup"
    assert job.launch.workdir is not None
    assert job.launch.data_dir is not None


def executable(path, text):
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("status", "restarts", "queued"),
    [
        (0, "0", False),
        (2, "0", False),
        (NotFinite.exit_code, "0", False),
        (143, "30", True),
        (75, "30", True),
        (137, "0", True),
        (1, "19", True),
        (1, "20", False),
    ],
)
def test_slurm_queues_a_job_again_that_was_stopped_or_has_lost_a_task(tmp_path, status, restarts, queued):
    executable(tmp_path / "srun", f'echo "$@" >{tmp_path}/started; exit {status}')
    executable(tmp_path / "scontrol", f'echo "$@" >{tmp_path}/queued')
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": "/env/bin/python",
        "SLURM_JOB_ID": "7",
        "SLURM_RESTART_COUNT": restarts,
    }
    done = subprocess.run([ROOT / "docs" / "launching" / "slurm.sh"], env=environment, capture_output=True, text=True)
    assert done.returncode == status
    assert "/env/bin/python -m experiments.imagenet" in (tmp_path / "started").read_text()
    assert (tmp_path / "queued").exists() == queued
    assert ("20 times" in done.stderr) == (restarts == "20")


def start_over_ssh(tmp_path, python, **options):
    """Start ssh.sh for two hosts, with stand-ins: for ssh one that runs the command here, and `python`."""
    executable(tmp_path / "ssh", '[ "$1" != -tt ] || shift\nshift\nexec setsid --wait bash -c "$*"')
    executable(tmp_path / "my python", python)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": str(tmp_path / "my python"),
        "PORT": port,
        "RUNS": str(tmp_path / "runs"),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=1",
    }
    script = ["bash", ROOT / "docs" / "launching" / "ssh.sh", "127.0.0.1", "localhost"]
    return subprocess.Popen(script, cwd=ROOT, env=environment, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_ssh_script_passes_a_signal_on_and_waits_for_the_runs(tmp_path, number):
    saved = f"echo saved >>{tmp_path}/saved; exit 143"
    waiting = f"trap '{saved}' TERM; echo ready >>{tmp_path}/ready; while true; do sleep 0.05; done"
    script = start_over_ssh(tmp_path, waiting)
    try:
        until(lambda: lines(tmp_path / "ready") == 2)
        script.send_signal(number)
        assert script.wait(timeout=30) == 143
    finally:
        script.kill()
    assert lines(tmp_path / "saved") == 2


def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def until(happened, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.exhaustive
def test_the_ssh_script_starts_a_process_on_each_host(tmp_path):
    python = f'exec {sys.executable} "$@" --smoke'
    with start_over_ssh(tmp_path, python, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        out, errors = script.communicate(timeout=400)
    assert script.returncode == 0, errors
    assert (tmp_path / "runs" / "resnet50-mixup" / "result.json").exists()
    assert out.count("imagenet resnet50-mixup") == 1


def run_command(code, **environment):
    """Run Python code as a command of ours, in a process of its own."""
    lines = [
        "from experiments.commands.errors import one_line_errors",
        "with one_line_errors():",
        *(f" {each}" for each in code),
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=200)


JOIN = ["from mixup_jax.runtime.devices.distributed import join", "join()", "import jax; jax.devices()"]


def test_a_signal_between_joining_and_the_first_step_is_heard():
    """JAX takes SIGTERM for itself where several processes join, unless it is told not to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        join = f"join('127.0.0.1:{found.getsockname()[1]}', 1, 0)"
    sent = ["import os, signal, time", "os.kill(os.getpid(), signal.SIGTERM)", "time.sleep(60)"]
    done = run_command([JOIN[0], join, *sent])
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.splitlines()[-1].startswith("stopped")


@pytest.mark.thorough
@pytest.mark.parametrize("platform", ["cuda", "tpu", "nonsense"])
def test_devices_that_are_not_there_are_one_line(platform):
    if Path("/dev/nvidia0").exists():
        pytest.skip("a GPU is here")
    done = run_command(JOIN, JAX_PLATFORMS=platform)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"JAX_PLATFORMS is '{platform}'" in line


def test_a_start_in_a_pod_says_nothing_that_does_not_matter():
    done = run_command(JOIN, KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert (done.returncode, done.stderr) == (0, "")


ALONE = {
    "SLURM, without srun": ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, ("8", "srun")),
    "a pod of several": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "3"}, ("3", "kubernetes")),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ALONE)
def test_a_process_that_trains_alone_where_it_has_company_says_so_in_one_line(name):
    environment, facts = ALONE[name]
    done = run_command(JOIN, **environment)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: ")
    assert all(fact in line for fact in facts)


def test_libtpu_beside_no_tpu_is_told_what_it_would_complain_about(tmp_path, monkeypatch):
    told = {"TPU_WORKER_HOSTNAMES": "mine"}
    answer_without_tpu(told, str(tmp_path))
    assert told == {"TPU_WORKER_HOSTNAMES": "mine"} or find_spec("libtpu")
    (tmp_path / "libtpu.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    answer_without_tpu(told, str(tmp_path))
    assert told["TPU_WORKER_HOSTNAMES"] == "mine"
    assert told["TPU_ACCELERATOR_TYPE"]
    (tmp_path / "accel0").touch()  # a chip
    on_a_tpu = {}
    answer_without_tpu(on_a_tpu, str(tmp_path))
    assert on_a_tpu == {}


@pytest.mark.skipif(find_spec("libtpu") is None, reason="libtpu is not installed (the extra plan)")
def test_a_start_beside_libtpu_is_silent():
    done = run_command(JOIN, JAX_PLATFORMS="")
    assert (done.returncode, done.stderr) == (0, "")
