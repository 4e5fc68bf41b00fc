"""Hosts on one machine: each has its own network, name, process numbers and mounts. Root and Linux only.

Nothing is left behind: namespaces, and every process and mount in them, end with a process that reads a pipe of ours.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NETWORK = "10.77.0"
NAMESPACES = ("--net", "--uts", "--mount", "--pid")
INIT = "mount -t tmpfs none /run; ip link set lo up; {}; echo ready; exec env --ignore-signal=CHLD cat"
"""The first process of a namespace: it lets the kernel bury orphans, and reads until we close the pipe or are gone."""


class Host:
    """Namespaces held open by a process; `inside` are the words that enter those of another, to be made within it."""

    def __init__(self, prepare: str, inside: Sequence[str] = ()):
        unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
        command = [*inside, *unshare, "sh", "-ec", INIT.format(prepare)]
        self._held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._held.stdout.readline() == b"ready\n"
        self.pid = Path(f"/proc/{self._held.pid}/task/{self._held.pid}/children").read_text().split()[0]

    def enter(self, *namespaces: str, cwd: Path = ROOT) -> list[str]:
        return ["nsenter", f"--target={self.pid}", *(namespaces or NAMESPACES), "env", f"--chdir={cwd}"]

    def start(self, *command, **options) -> subprocess.Popen:
        """Start a command on this host, in the project's folder."""
        return subprocess.Popen([*self.enter(), *map(str, command)], **options)

    def run(self, *command, cwd: Path = ROOT, **options) -> str:
        """Run a command on this host; return what it prints."""
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        done = subprocess.run([*self.enter(cwd=cwd), *map(str, command)], **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self, words: str) -> None:
        """Kill (-9) every process of this host whose command line holds some words."""
        self.run("pkill", "-KILL", "-f", words)

    def end(self) -> None:
        """End all that runs here."""
        self._held.stdin.close()
        self._held.stdout.close()
        self._held.wait(timeout=30)


@contextlib.contextmanager
def hosts(folder: Path, count: int) -> Iterator[list[Host]]:
    """Start hosts h0, h1, ... that reach each other, and nothing else, by name."""
    names = [f"{NETWORK}.{10 + each} h{each}\n" for each in range(count)]
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(names))
    with contextlib.ExitStack() as stack:
        switch = Host(
            f"mount --bind '{folder}/hosts' /etc/hosts; ip link add name switch type bridge; ip link set switch up"
        )
        stack.callback(switch.end)
        started = []
        for each in range(count):
            host = Host(f"hostname h{each}", switch.enter("--mount"))
            stack.callback(host.end)
            cable = (
                f"ip link add v{each} type veth peer name eth0 netns {host.pid} && ip link set v{each} master switch up"
            )
            subprocess.run([*switch.enter("--net"), "sh", "-ec", cable], check=True)
            host.run("ip", "addr", "add", f"{NETWORK}.{10 + each}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            started.append(host)
        yield started


def needs(*programs: str) -> None:
    """Skip a test where hosts cannot be had, or a program is missing."""
    if os.geteuid():
        pytest.skip("needs root, for hosts in namespaces of their own")
    missing = [each for each in ("unshare", "nsenter", "ip", "pkill", *programs) if not shutil.which(each)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if subprocess.run(["unshare", *NAMESPACES, "--fork", "true"], capture_output=True).returncode:
        pytest.skip("namespaces cannot be made here")


def until(happened, seconds: float, why=lambda: "") -> None:
    """Wait until something has happened; fail after some seconds, saying `why()`."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, why()
        time.sleep(0.2)
