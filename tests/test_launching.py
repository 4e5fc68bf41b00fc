"""The launching scripts of docs/: their syntax, and that each command line in them is one of ours."""

import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from experiments import imagenet
from experiments.command_line import parse

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "docs" / "launching").glob("*.sh"))
JOBSET = ROOT / "docs" / "launching" / "jobset.yaml"
JOBS = {name: (text, imagenet.ImageNet(config)) for name, (text, config) in imagenet.PRESETS.items()}


def read(arguments):
    """Parse arguments as `python -m experiments.imagenet` does."""
    return parse("imagenet", "", JOBS, imagenet.DEFAULT, arguments)


def commands(text):
    """Return the arguments of each run in a script, its variables replaced by 1."""
    text = re.sub(r"\\\n\s*", " ", text)
    text = re.sub(r"\$\{?\w+\}?", "1", text)
    found = re.findall(r"python -m experiments\.imagenet ([^\n&]*)", text)
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


def test_the_jobset_runs_a_command_of_ours_on_each_host_of_its_slice():
    jobset = yaml.safe_load(JOBSET.read_text())
    (replicated,) = jobset["spec"]["replicatedJobs"]
    job = replicated["template"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][:3] == ["python", "-m", "experiments.imagenet"]
    _, parsed = read(container["command"][3:] + container["args"])
    assert parsed.launch.checkpoints == "gs://BUCKET/resnet50-mixup"
    rows, columns = map(int, pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"))
    chips = container["resources"]["limits"]["google.com/tpu"]
    assert job["parallelism"] == job["completions"] == rows * columns // chips
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


@pytest.mark.exhaustive
def test_the_ssh_script_starts_a_process_on_each_host(tmp_path):
    """With a stand-in for ssh that runs the command here."""
    (tmp_path / "ssh").write_text('#!/bin/bash\nshift 2\nexec bash -c "$*"\n')
    (tmp_path / "python").write_text(f'#!/bin/bash\nexec {sys.executable} "$@" --smoke\n')
    for name in ("ssh", "python"):
        (tmp_path / name).chmod(0o755)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PORT": port,
        "RUNS": str(tmp_path / "runs"),
    }
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
    script = ["bash", ROOT / "docs" / "launching" / "ssh.sh", "127.0.0.1", "localhost"]
    done = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "resnet50-mixup" / "result.json").exists()
    assert done.stdout.count("imagenet resnet50-mixup") == 1
