"""Laws of checkpoints in a bucket, which has no folders; an emulator on this machine is the bucket."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from etils import epath
from several_processes import ROOT, TRAIN

from mixup_jax.runtime import buckets
from mixup_jax.runtime.buckets import copy_records, fetch_records, open_bucket, records_folder, send_folder
from mixup_jax.runtime.errors import CheckpointError
from mixup_jax.runtime.launch import Launch

MISSING = [name for name in ("gcsfs", "gcp_storage_emulator") if importlib.util.find_spec(name) is None]

SCRIPT = """
    import sys
    import jax.numpy as jnp
    from etils import epath
    from mixup_jax.runtime.checkpoint import open_checkpoints

    folder, numbers = epath.Path("gs://bucket/runs/one"), jnp.arange(5.0)
    with open_checkpoints(folder, keep=3) as checkpoints:
        if sys.argv[1] == "save":
            for step in (1, 2, 3):
                checkpoints.save({"numbers": numbers + step}, step, 50.0 - step)
                checkpoints.wait()
            (folder / "3" / "state" / "manifest.ocdbt").unlink()
            (folder / "2" / "metrics" / "metrics").write_text("")
        else:
            print(checkpoints.restore({"numbers": numbers})["numbers"].tolist(), checkpoints.steps())
            print(sorted(path.name.rpartition("-")[0] for path in folder.parent.iterdir() if path != folder))
"""


@pytest.fixture
def bucket():
    """The environment in which gs://bucket is an emulator's, empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "import sys; from gcp_storage_emulator.__main__ import main; sys.exit(main())"
    options = f"start --host 127.0.0.1 --port {port} --quiet --in-memory --default-bucket bucket".split()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-c", start, *options], **quiet)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    url = f"http://127.0.0.1:{port}"
    yield os.environ | {
        "STORAGE_EMULATOR_HOST": url,
        "TENSORSTORE_GCS_HTTP_URL": url,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",
        "FSSPEC_GS_TOKEN": "anon",
        "FSSPEC_GCS_TOKEN": "anon",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }
    server.kill()
    server.wait()


with_emulator = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install gcsfs gcp-storage-emulator"
)


@pytest.mark.slow
@with_emulator
def test_an_object_that_is_gone_costs_one_checkpoint_and_one_that_is_no_array_none(bucket):
    lines = []
    for what in ("save", "restore"):
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), what]
        done = subprocess.run(command, env=bucket, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        lines += done.stdout.splitlines()
    assert lines == ["[2.0, 3.0, 4.0, 5.0, 6.0] [2, 1]", "['one-damaged-2-metrics', 'one-damaged-3']"]


RUN = [sys.executable, *TRAIN, "--width=4", "--blocks=1", "--checkpoints=gs://bucket/runs"]
EXPORTED = """
    import sys
    import jax
    import numpy as np
    import mixup_jax

    ours = mixup_jax.load(sys.argv[1], checkpoints="gs://bucket/runs")
    theirs = mixup_jax.load("gs://bucket/exported")
    assert ours.classes == theirs.classes
    jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)
"""


def call(bucket, *command, code=0):
    done = subprocess.run(command, cwd=ROOT, env=bucket, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == code, done.stderr
    return done


def delete(bucket, newest):
    """Delete an object of the newest checkpoint of the only run."""
    script = """
        import sys
        from etils import epath

        run = next(path for path in epath.Path("gs://bucket/runs").iterdir() if path.name.isalnum())
        step = max(int(path.name) for path in run.iterdir() if path.name.isdecimal())
        (run / str(step) / sys.argv[1]).unlink()
        print(step)
    """
    return int(call(bucket, sys.executable, "-c", textwrap.dedent(script), newest).stdout)


@pytest.mark.slow
@with_emulator
def test_a_run_in_a_bucket_goes_on_and_is_whole_on_another_machine(bucket, tmp_path):
    where = [f"--workdir={tmp_path / name}" for name in ("whole", "first", "second", "third")]
    call(bucket, *RUN[:-1], where[0])
    process = subprocess.Popen([*RUN, where[1]], cwd=ROOT, env=bucket, stderr=subprocess.PIPE, text=True)
    metrics, deadline = tmp_path / "first" / "metrics.jsonl", time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) > 1:
            process.send_signal(signal.SIGTERM)
            break
        time.sleep(0.05)
    said = process.communicate(timeout=600)[1]
    assert process.returncode == 143, said
    damaged = delete(bucket, "state/manifest.ocdbt")
    done = call(bucket, *RUN, where[2])
    assert "begun elsewhere" in done.stdout
    assert f"checkpoint {damaged} is damaged and is skipped" in done.stderr
    assert f"{tmp_path / 'second'}: config.json" in done.stdout
    assert "gs://bucket/runs/" in done.stdout.splitlines()[-1]
    whole, second = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "second"))
    assert second["params_digest"] == whole["params_digest"]
    steps = [json.loads(line)["step"] for line in (tmp_path / "second" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [8, 16, 24]

    call(bucket, *RUN, where[3])  # it is finished, and everything is there
    for name in ("config.json", "metrics.jsonl", "result.json", "predictions.npz", "figures/reliability.png"):
        assert (tmp_path / "third" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    export = [sys.executable, "-m", "experiments.export", tmp_path / "second", "--checkpoints=gs://bucket/runs"]
    for options in ([], ["--no-program"]):  # the second takes the place of the first
        call(bucket, *map(str, export), "-o", "gs://bucket/exported", *options)
    call(bucket, sys.executable, "-c", textwrap.dedent(EXPORTED), str(tmp_path / "second"))
    refused = call(bucket, *map(str, export), "-o", "gs://bucket/runs", code=2)
    assert "is no export" in refused.stderr

    script = """
        import json
        from etils import epath

        path = next(epath.Path("gs://bucket/runs").glob("*-records")) / "config.json"
        content = json.loads(path.read_text())
        content["data"]["train_count"] += 1
        path.write_text(json.dumps(content))
    """
    call(bucket, sys.executable, "-c", textwrap.dedent(script))
    refused = call(bucket, *RUN, where[3], code=2)
    assert "holds checkpoints of a run on other data" in refused.stderr


@pytest.mark.slow
@with_emulator
@pytest.mark.parametrize("name", ["absent", "elsewhere"])
def test_a_bucket_that_cannot_be_written_is_one_line_before_anything_else(bucket, tmp_path, name):
    other = {"elsewhere": {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}}.get(name, {})
    bucket_name = {"absent": "absent"}.get(name, "bucket")
    command = [*RUN[:-1], f"--checkpoints=gs://{bucket_name}/runs", f"--workdir={tmp_path / 'run'}"]
    done = call(bucket | other, *command, code=2)
    lines = done.stderr.splitlines()
    assert [line.startswith(f"error: gs://{bucket_name}/runs cannot be written") for line in lines] == [True]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["s3://bucket/runs", "az://b/c", "gs://", "gs:///runs", "gs:/bucket/runs", "gs://B"])
def test_an_address_that_is_no_bucket_of_ours_is_refused(path):
    with pytest.raises(ValueError, match=f"checkpoints must be .*gs://BUCKET/FOLDER, got {path}"):
        Launch(checkpoints=path)


@pytest.mark.parametrize("option", ["workdir", "data_dir"])
def test_a_folder_that_must_be_here_is_in_no_bucket(option, tmp_path):
    with pytest.raises(ValueError, match=f"{option} must be a folder on this machine"):
        Launch(**{option: type(tmp_path)("gs://bucket/runs")})


def test_a_bucket_without_an_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(buckets, "choose_gcsfs", lambda _: None)
    monkeypatch.setattr(buckets, "_probe", lambda _: time.sleep(5))
    monkeypatch.setattr(buckets, "WAIT", 0.1)
    with pytest.raises(ValueError, match="gs://bucket/runs cannot be written: no answer within"):
        open_bucket("gs://bucket/runs")


def lines(*steps):
    return "".join(json.dumps({"step": step}) + "\n" for step in steps)


def test_what_a_machine_lacks_is_taken_and_nothing_of_its_own_is_replaced(tmp_path):
    records, here, there = epath.Path(tmp_path / "records"), tmp_path / "here", tmp_path / "there"
    for folder in (records, records / "figures", here, there):  # a folder on a disk stands for the bucket
        folder.mkdir()
    for name, text in (("config.json", "c"), ("metrics.jsonl", lines(1, 2)), ("result.json", "r")):
        (here / name).write_text(text)
    copy_records(here, records)
    assert set(fetch_records(there, records)) == {"config.json", "metrics.jsonl", "result.json"}
    assert (there / "metrics.jsonl").read_text() == lines(1, 2)
    for steps, taken in (((1, 2, 3), []), ((1,), ["metrics.jsonl"])):
        (there / "metrics.jsonl").write_text(lines(*steps))
        (there / "result.json").write_text("mine")
        assert fetch_records(there, records) == taken
        assert (there / "result.json").read_text() == "mine"


def test_records_that_cannot_be_copied_are_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"records in .* could not be copied to .*the same command"):
        copy_records(tmp_path, records_folder(epath.Path(tmp_path / "no" / "folder")))


def test_a_folder_takes_the_place_of_another_and_is_whole_at_the_end(tmp_path):
    target, folder = epath.Path(tmp_path / "target"), tmp_path / "folder"
    for path, names in ((target, "abz"), (folder, "bcz")):
        path.mkdir()
        for name in names:
            (path / name).write_text(f"{path.name} {name}")
    send_folder(folder, target, last="z")
    assert {path.name: path.read_text() for path in target.iterdir()} == {name: f"folder {name}" for name in "bcz"}
