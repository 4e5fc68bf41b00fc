"""A SLURM cluster of hosts in namespaces: munged, slurmctld and slurmd, all their files in one folder."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from hosts import ROOT, Host, hosts, until

CONFIGURATION = """
ClusterName=test
SlurmctldHost=h0
SlurmUser=root
AuthInfo=socket=/run/munge.socket,cred_expire=5
CredType=cred/munge
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
ReturnToService=2
MailProg=/bin/true
GresTypes=gpu
KillWait=10
SlurmdParameters=config_overrides
NodeName=h[0-1] CPUs=8 Gres=gpu:4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
"""`cred_expire` is also how long a job that is queued again waits; the GPUs are counted and are not there."""


class Cluster:
    """Two nodes, h0 and h1; jobs are submitted and looked at from h0."""

    def __init__(self, folder: Path, nodes: list[Host]):
        self.folder, self.nodes = folder, nodes
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command) -> str:
        return self.nodes[0].run(*command, env=self.environment)

    def submit(self, *words, **environment) -> int:
        """Call sbatch with its options, a script, and arguments of the script."""
        words = ["sbatch", "--parsable", f"--chdir={ROOT}", f"--output={self.folder}/%j.out", *words]
        return int(self.nodes[0].run(*words, env=self.environment | environment))

    def shown(self, job: int) -> dict[str, str]:
        """Return what SLURM knows of a job: JobState, Restarts, ExitCode, ..."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.call("scontrol", "show", "job", job)))

    def output(self, job: int) -> str:
        path = self.folder / f"{job}.out"
        return path.read_text() if path.exists() else ""

    def wait(self, job: int, state: str, seconds: float) -> dict[str, str]:
        """Wait until a job is in a state, and done with it; return what SLURM knows of it."""
        until(lambda: self.shown(job)["JobState"] == state, seconds, lambda: f"{self.shown(job)}\n{self.output(job)}")
        return self.shown(job)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start two nodes, and wait until both are idle."""
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-3]\n")
    for each in range(4):
        os.mknod(folder / f"gpu{each}", 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # /dev/null by another name
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    (folder / "state").mkdir()
    with hosts(folder, 2) as nodes:
        found = Cluster(folder, nodes)
        for host in nodes:
            files = [f"--{name}=/run/munge.{name.split('-')[0]}" for name in ("log-file", "pid-file", "seed-file")]
            host.run("munged", "--force", f"--key-file={folder}/munge.key", "--socket=/run/munge.socket", *files)
        found.call("slurmctld")
        for number, host in enumerate(nodes):
            host.run("slurmd", "-N", f"h{number}", env=found.environment)
        until(
            lambda: found.call("sinfo", "--noheader", "--format=%T %D").split() == ["idle", "2"],
            60,
            lambda: found.call("sinfo") + (folder / "slurmctld.log").read_text()[-2000:],
        )
        yield found
