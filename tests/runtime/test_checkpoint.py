"""Laws of checkpoints: bit for bit, on any devices, and never a damaged one."""

import os
import shutil
import subprocess
import sys
import textwrap
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_runs import PREACT, Run, assert_equal, changed, on_host

from mixup_jax.runtime.checkpoint import fingerprint, open_checkpoints
from mixup_jax.runtime.errors import CheckpointError


@pytest.fixture(scope="module")
def run():
    return Run(changed(PREACT, ema=0.9), 8)


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    """A folder with the checkpoints of steps 1 and 2, and the states they hold."""
    folder, carries = tmp_path_factory.mktemp("saved") / "checkpoints", {}
    carry = run.start()
    with open_checkpoints(folder, keep=2) as checkpoints:
        for step in (1, 2):
            carry = run.train(carry, 1)
            carries[step] = on_host(carry)
            checkpoints.save(carry, step, 50.0 - step)
            checkpoints.wait()
    return folder, carries


@pytest.fixture
def copy(saved, tmp_path):
    """A copy of the folder, to be damaged."""
    shutil.copytree(saved[0], tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def restore(folder, like):
    """Restore, and return the tree with the warnings that were given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_checkpoints(folder, keep=2) as checkpoints:
            tree = checkpoints.restore(like)
    return tree, [str(each.message) for each in caught]


def assert_holds(carry, expected):
    """The state has the same bits as one that was fetched with `on_host`."""
    for path, leaf in on_host(carry).items():
        np.testing.assert_array_equal(leaf, expected[path], err_msg=path)


@pytest.mark.thorough
def test_four_steps_are_two_and_a_restore_and_two(run, saved):
    carry, messages = restore(saved[0], run.start())
    assert not messages
    assert_equal(run.train(carry, 2), run.train(run.start(), 4))


@pytest.mark.thorough
def test_a_checkpoint_goes_onto_other_devices(saved):
    other = Run(changed(PREACT, ema=0.9), 2)
    carry, _ = restore(saved[0], other.start())
    assert {leaf.sharding.mesh.size for leaf in jax.tree.leaves(carry)} == {2}
    assert_holds(carry, saved[1][2])


def data_files(folder):
    """The files of a checkpoint that hold numbers or say where they are."""
    return sorted(file.relative_to(folder) for file in (folder / "2" / "state").rglob("*") if file.is_file())


def restored_step(run, saved, folder):
    """Restore after a damage to step 2: what comes is exactly step 2, or exactly step 1 after a warning."""
    carry, messages = restore(folder, run.start())
    step = int(np.asarray(carry[0].step)[0])
    assert_holds(carry, saved[1][step])
    assert len(messages) == (step == 1)
    if step == 1:
        assert messages[0].startswith("checkpoint 2 is damaged and is skipped: ")
        assert "\n" not in messages[0]
        assert str(folder / "2") in messages[0]
        assert not (folder / "2").exists()
        assert list(folder.parent.glob("checkpoints-damaged-2-*"))
    return step


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_skipped(run, saved, copy, keep):
    for name in data_files(copy):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[: int(keep * len(content))])
    assert restored_step(run, saved, copy) == 1


def damage(file, kind):
    """Cut a file to nothing, delete it, or flip one of its bits."""
    content = bytearray(file.read_bytes())
    if kind == "deleted":
        file.unlink()
    elif kind == "empty":
        file.write_bytes(b"")
    else:
        content[len(content) // 2] ^= 16
        file.write_bytes(content)


NOTES = ("metrics/metrics", "_CHECKPOINT_METADATA")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Failed to write 9 bytes: No space left on device [os_error_code='28']", "the disk is full"),
        ("[Errno 122] Disk quota exceeded: 'a'", "the disk quota is used up"),
        ("PERMISSION_DENIED: Error opening [os_error_code='EROFS'] Read-only file system", "read-only"),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes", "RESOURCE_EXHAUSTED: Out of memory allocating 8"),
    ],
)
def test_what_the_file_system_refuses_is_said_in_words(tmp_path, monkeypatch, text, reason):
    with open_checkpoints(tmp_path / "checkpoints", keep=1) as checkpoints:

        def refuse(*args, **options):
            raise ValueError(text + "\nand a page more")

        monkeypatch.setattr(checkpoints._checkpointer, "save_async", refuse)
        with pytest.raises(CheckpointError, match=f"step 1 could not be written: .*{reason}.*no earlier") as refused:
            checkpoints.save({"a": jnp.zeros(2)}, 1, None)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("note", NOTES)
def test_notes_that_cannot_be_read_are_named_and_take_no_checkpoint_with_them(run, saved, copy, note):
    for step, content in ((1, "[]"), (2, "")):
        (copy / str(step) / note).write_text(content)
    carry, messages = restore(copy, run.start())
    assert_holds(carry, saved[1][2])
    assert len(messages) == 2
    for step, message in zip((1, 2), messages, strict=True):
        assert str(copy / str(step) / note.partition("/")[0]) in message
        assert f"checkpoint {step} goes without it" in message
    assert len(list(copy.parent.glob("checkpoints-damaged-*"))) == 2
    with open_checkpoints(copy, keep=1) as checkpoints:  # and the next save is in order
        checkpoints.save(run.train(run.start(), 3), 3, 40.0)
        checkpoints.wait()
        assert checkpoints.steps()[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 1])
def test_no_damage_to_any_file_gives_other_numbers_or_keeps_a_whole_checkpoint_from_being_used(
    run, saved, copy, tmp_path, step
):
    names = sorted(file.relative_to(copy) for file in (copy / str(step)).rglob("*") if file.is_file())
    assert {*NOTES, "state/_METADATA"} < {name.relative_to(str(step)).as_posix() for name in names}
    for index, name in enumerate(names):
        kind = ("empty", "deleted", "flipped")[index % 3]
        folder = tmp_path / str(index) / "checkpoints"
        shutil.copytree(copy, folder)
        damage(folder / name, kind)
        carry, messages = restore(folder, run.start())
        restored = int(np.asarray(carry[0].step)[0])
        needed = "state" in name.parts and "ocdbt.process_0" not in name.parts and name.name != "commit_success.txt"
        assert restored == 2 or (step == 2 and needed), (name, kind)
        assert_holds(carry, saved[1][restored])
        if restored == 1:
            assert str(folder / "2") in messages[-1], (name, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["empty", "deleted", "flipped"])
def test_what_is_no_part_of_the_arrays_is_never_needed(run, saved, copy, kind):
    shutil.rmtree(copy / "1")
    for file in [file for file in (copy / "2").rglob("*") if file.is_file()]:
        if "state" not in file.parts or file.name == "commit_success.txt" or "ocdbt.process_0" in file.parts:
            damage(file, kind)
    carry, _ = restore(copy, run.start())
    assert_holds(carry, saved[1][2])


def test_a_flipped_bit_in_the_numbers_is_seen(run, saved, copy):
    for file in (copy / "2" / "state").rglob("d/*"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 16
        file.write_bytes(content)
    assert restored_step(run, saved, copy) == 1


def test_when_all_are_damaged_none_is_moved_and_the_run_does_not_start_anew(run, copy):
    for step in (1, 2):
        for file in (copy / str(step) / "state").rglob("*"):
            if file.is_file():
                file.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"none of the 2 checkpoints in .* the newest \(step 2\) because: .*move"):
        restore(copy, run.start())
    assert sorted(path.name for path in copy.iterdir() if path.name.isdigit()) == ["1", "2"]


def test_the_fingerprint_sees_every_leaf_and_position():
    tree = {
        "a": jnp.arange(5.0),
        "b": jnp.zeros(3, jnp.int32),
        "key": jax.random.key(1),
        "c": jnp.ones(2, jnp.bfloat16),
    }
    others = [
        tree | {"a": tree["a"].at[2].set(2.0000002)},
        tree | {"a": tree["a"][::-1]},
        tree | {"b": tree["b"].at[1].set(1)},
        tree | {"key": jax.random.key(2)},
        tree | {"c": tree["c"].at[0].set(1.0078125)},
    ]
    assert len({int(fingerprint(each)) for each in (tree, *others)}) == 6


def test_the_newest_and_the_best_are_kept(run, tmp_path):
    state = run.start()
    with open_checkpoints(tmp_path / "checkpoints", keep=2) as checkpoints:
        for step, error in ((1, 9.0), (2, 3.0), (3, 5.0), (4, None), (5, 4.0), (6, 7.0)):
            checkpoints.save(state, step, error)
        checkpoints.wait()
        assert checkpoints.steps() == [6, 5, 2]


def test_training_on_does_not_reach_into_a_checkpoint_under_way(run, tmp_path):
    carry = run.train(run.start(), 1)
    expected = on_host(carry)
    with open_checkpoints(tmp_path / "checkpoints", keep=2) as checkpoints:
        checkpoints.save(carry, 1, 1.0)
        for _ in range(20):  # donates the buffers that are being saved
            carry = run.train(carry, 3)
    restored, messages = restore(tmp_path / "checkpoints", run.start())
    assert not messages
    assert_holds(restored, expected)


SAVER = """
    import sys, resource, signal, threading, time
    import jax, jax.numpy as jnp
    from pathlib import Path
    from mixup_jax.runtime.checkpoint import CheckpointError, open_checkpoints

    from orbax.checkpoint.checkpoint_manager import _FinalizeThread

    join = _FinalizeThread.join
    def join_late(self):  # as on a busy machine: Orbax's own threads learn of a failure after this one
        try:
            join(self)
        finally:
            if threading.current_thread() is not threading.main_thread():
                time.sleep(0.5)
    _FinalizeThread.join = join_late
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    numbers = jax.random.normal(jax.random.key(0), (1_000_000,))
    try:
        with open_checkpoints(folder, keep=2) as checkpoints:
            checkpoints.save({"numbers": numbers[:10]}, 1, 1.0)
            checkpoints.wait()
            if limit > 0:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            checkpoints.save({"numbers": numbers[:10] if limit < 0 else numbers}, 2, 0.5)
            checkpoints.wait()
    except CheckpointError as error:
        print("CheckpointError:", error)
        time.sleep(1)
    with open_checkpoints(folder, keep=2) as checkpoints:
        tree = checkpoints.restore({"numbers": numbers[:10]})
        print(checkpoints.steps(), bool(jnp.all(tree["numbers"] == numbers[:10])))
"""


def save_where_it_does_not_fit(folder, limit, **environment):
    command = [sys.executable, "-c", textwrap.dedent(SAVER), folder, str(limit)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # Orbax's threads would print a page each
    return done.stdout.splitlines()


@pytest.mark.thorough
def test_a_write_that_fails_says_so_and_leaves_the_earlier_checkpoint_whole(tmp_path):
    lines = save_where_it_does_not_fit(tmp_path / "checkpoints", 100_000)
    assert lines[0].startswith("CheckpointError: ")
    assert "could not be written" in lines[0]
    assert "the checkpoint of step 1 is whole" in lines[0]
    assert lines[1:] == ["[1] True"]


@pytest.mark.thorough
def test_a_full_disk_is_named(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        lines = save_where_it_does_not_fit(disk / "checkpoints", 0)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert all(part in lines[0] for part in ("the disk is full", "the checkpoint of step 1 is whole"))
    assert lines[1:] == ["[1] True"]


NO_LOCKS = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <stdarg.h>
    #include <dlfcn.h>
    int flock(int file, int operation) { errno = ENOSYS; return -1; }
    static int without(const char* name, int file, int command, void* argument) {
        if (command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_SETLK || command == F_SETLKW) {
            errno = ENOSYS;
            return -1;
        }
        return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(file, command, argument);
    }
    #define WITHOUT(name) int name(int file, int command, ...) { \\
        va_list rest; va_start(rest, command); void* argument = va_arg(rest, void*); va_end(rest); \\
        return without(#name, file, command, argument); }
    WITHOUT(fcntl)
    WITHOUT(fcntl64)
"""


@pytest.mark.thorough
def test_checkpoints_need_no_file_system_with_locks(tmp_path):
    if not (compiler := shutil.which("cc")):
        pytest.skip("it takes a C compiler to take the locks away")
    (tmp_path / "without.c").write_text(NO_LOCKS)
    shim = tmp_path / "without.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, tmp_path / "without.c", "-ldl"], check=True)
    lines = save_where_it_does_not_fit(tmp_path / "checkpoints", -1, LD_PRELOAD=str(shim))
    assert lines == ["[2, 1] True"]
