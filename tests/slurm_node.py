"""One-node SLURM cluster on this machine for the duration of a test.

Debian's packages slurm-wlm and munge, daemons on the loopback only, no accounting database, a character device that stands for
a GPU. Memory is enforced by slurmd's own sampling (OverMemoryKill), since a container has no cgroups to give.
"""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")  # only there, because job steps of the executor plugin drop $SLURM_CONF
MARK = "# Written by the tests of veracity, to be removed by them."
PROGRAMS = ("slurmctld", "slurmd", "munged", "sinfo", "sbatch", "squeue", "scancel")

SETTINGS = """\
{mark}
ClusterName=veracity
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=16917
SlurmdPort=16918
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
MinJobAge=3600
ReturnToService=2
KillWait=2
SchedulerParameters=batch_sched_delay=1,sched_interval=1
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 \
RealMemory={memory_mb} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Return the reason why SLURM cannot run here, or an empty text."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)} here: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "only root can start SLURM's daemons"
    if CONFIG.exists() and MARK not in CONFIG.read_text():
        return f"{CONFIG} is another's"
    return ""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Start the daemons, wait until the node is idle, stop everything at the end."""
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    gpus = [folder / "gpu0", folder / "gpu1"]
    for number, gpu in enumerate(gpus):
        os.mknod(gpu, stat.S_IFCHR | 0o666, os.makedev(1, (3, 5)[number]))  # twins of /dev/null and /dev/zero
    memory_mb = int(0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.write_text(SETTINGS.format(mark=MARK, folder=folder, cores=os.cpu_count(), memory_mb=memory_mb))
    devices = CONFIG.with_name("gres.conf")
    devices.write_text("".join(f"NodeName=localhost Name=gpu File={gpu}\n" for gpu in gpus))
    try:
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            Path("/run/munge").mkdir(exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            subprocess.run(["runuser", "-u", "munge", "--", "munged"], check=True)
        subprocess.run(["slurmctld", "-i"], check=True)
        subprocess.run(["slurmd", "-N", "localhost"], check=True)
        _wait_until_idle(folder)
        yield
    finally:
        subprocess.run(["scancel", "--state", "RUNNING"], capture_output=True, check=False, timeout=30)
        for daemon in ("slurmd", "slurmctld"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((folder / f"{daemon}.pid").read_text()), signal.SIGTERM)
        CONFIG.unlink()
        devices.unlink()


def _wait_until_idle(folder: Path) -> None:
    for _ in range(100):
        told = subprocess.run(["sinfo", "--noheader", "--format", "%t"], capture_output=True, text=True, check=False).stdout
        if told.strip() == "idle":
            return
        time.sleep(0.2)
    raise RuntimeError(f"the node did not come up ({told.strip()}):\n{(folder / 'slurmd.log').read_text()[-2000:]}")
