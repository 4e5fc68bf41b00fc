"""Laws of processes that were not started alike: before the first step each of them says in one line what differs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file
from several_processes import FROM_WEIGHTS, TRAIN, free_port
from weight_files import TINY_VIT, random_timm

ROOT = Path(__file__).parents[2]


def start_two(folder, options=(), variables=None, command=TRAIN, second=None):
    """Start two processes, the second with more options and variables, perhaps in another folder; return the status and
    stderr of each.
    """
    together = [f"--coordinator=127.0.0.1:{free_port()}", "--processes=2", f"--workdir={folder}"]
    plain = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, *command, *together, f"--process-id={process}", *(options if process else ())],
            cwd=(second or folder) if process else folder,
            env=plain | ((variables or {}) if process else {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    errors = [process.communicate(timeout=400)[1] for process in started]
    return [process.returncode for process in started], errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "variables", "difference"),
    {
        "configuration": (["--seed=7"], {}, "config.seed is 0 on process 0 and 7 on process 1"),
        "data": (["--train-examples=255"], {}, "data.train_count is 256 on process 0 and 255 on process 1"),
        "how it saves": (["--keep=3"], {}, "launch.keep is 2 on process 0 and 3 on process 1"),
        "a setting of JAX": ([], {"JAX_ENABLE_X64": "1"}, "jax.enable_x64 is False on process 0 and True on process 1"),
        "a flag of XLA": ([], {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}, "jax.XLA_FLAGS is [] on process 0"),
    }.values(),
)
def test_a_difference_is_one_line_on_each_process(tmp_path, options, variables, difference):
    codes, errors = start_two(tmp_path, options, variables)
    assert codes == [2, 2], errors
    for each in errors:
        (line,) = [line for line in each.splitlines() if line.startswith("error: ")]
        assert line.startswith("error: the processes of the run were not started alike: ")
        assert difference in line
        assert "Traceback" not in each
    assert not (tmp_path / "config.json").exists()


@pytest.mark.slow
def test_weights_of_one_name_that_are_others_on_each_machine_are_refused(tmp_path):
    folders = [tmp_path / name for name in ("one", "other")]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        save_file(random_timm(TINY_VIT, 8, 10, seed), folder / "weights.safetensors")
    codes, errors = start_two(folders[0], command=[*FROM_WEIGHTS, "--init=weights.safetensors"], second=folders[1])
    assert codes == [2, 2], errors
    for each in errors:
        (line,) = [line for line in each.splitlines() if line.startswith("error: ")]
        assert "sha256 is" in line
    assert not (folders[0] / "config.json").exists()
