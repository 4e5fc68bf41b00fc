"""Laws of checkpoints in a bucket, which has no folders; an emulator on this machine is the bucket."""

import importlib.util
import os
import socket
import subprocess
import sys
import textwrap
import time

import pytest

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


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install gcsfs gcp-storage-emulator")
def test_an_object_that_is_gone_costs_one_checkpoint_and_one_that_is_no_array_none(bucket):
    lines = []
    for what in ("save", "restore"):
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), what]
        done = subprocess.run(command, env=bucket, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        lines += done.stdout.splitlines()
    assert lines == ["[2.0, 3.0, 4.0, 5.0, 6.0] [2, 1]", "['one-damaged-2-metrics', 'one-damaged-3']"]
