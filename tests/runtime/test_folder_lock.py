"""Laws of the lock: one process in a folder, no file harmed, and no run lost where there are no locks."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys

import pytest

from mixup_jax.runtime.folder_lock import sole_owner


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    folder = tmp_path / "new"
    with sole_owner(folder, "first"), pytest.raises(ValueError, match="second"), sole_owner(folder, "second"):
        pass
    with sole_owner(tmp_path / "new", "third"):
        pass


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_leads_elsewhere_is_refused_and_its_target_left_alone(tmp_path, there):
    target = tmp_path / "precious"
    if there:
        target.write_text("content")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(target)
    with (
        pytest.raises(ValueError, match=r"\.lock is a symbolic link.*delete it"),
        sole_owner(tmp_path / "run", "taken"),
    ):
        pass
    assert target.exists() == there
    assert not there or target.read_text() == "content"


def test_what_a_lock_file_holds_is_kept(tmp_path):
    (tmp_path / ".lock").write_text("note")
    with sole_owner(tmp_path, "taken"):
        pass
    assert (tmp_path / ".lock").read_text() == "note"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_worked_on(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    said = pytest.warns(UserWarning, match=f"{tmp_path} cannot be locked .*{os.strerror(code)}")
    with said, sole_owner(tmp_path, "taken"):
        (tmp_path / "result").write_text("")
    assert (tmp_path / "result").exists()


def test_another_failure_is_no_missing_lock(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"), sole_owner(tmp_path, "taken"):
        pass


def test_a_folder_made_for_nothing_is_removed_and_one_with_something_in_it_kept(tmp_path):
    for name, content in (("empty", ()), ("kept", ("result",))):
        with contextlib.suppress(KeyError), sole_owner(tmp_path / name, "taken"):
            for file in content:
                (tmp_path / name / file).write_text("")
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.thorough
def test_without_fcntl_as_on_windows_modules_are_imported():
    code = "import sys, os; sys.modules['fcntl'] = None; del os.sched_getaffinity; import signal; del signal.SIGHUP; "
    code += "import experiments.cifar, experiments.wafer.__main__, experiments.gan.__main__, mixup_jax.training.stream"
    subprocess.run([sys.executable, "-c", code], check=True)
