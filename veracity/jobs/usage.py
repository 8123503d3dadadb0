"""CPU time and memory of a job, and its warnings: what the system tells of a process, and what a job's log tells of it."""

import ctypes
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")  # on Linux only
STARTUP, IN_ALL, PEAK = "CPU seconds of start-up", "CPU seconds in all", "peak memory in MB"  # lines of a job's log

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
ADAPTED = 1 << 25  # the most that glibc raises them to by itself


def own_mb(kind: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (peak) of this process, or NaN where the system does not tell.

    Not getrusage: its ru_maxrss outlives exec, so that a child starts with its parent's peak.
    """
    found = re.search(rf"{kind}:\s+(\d+) kB", STATUS.read_text(encoding="ascii")) if STATUS.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else math.nan


def give_back_free_memory() -> None:
    """Hand what this process has freed back to the system, where the C library keeps it (glibc).

    Loops that allocate and free tensors of many sizes scatter glibc's heap: an attack grew by 10 MB with each update
    until this was called now and then (20 ms). A mapping for every large block instead would cost a third of the speed.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


@contextmanager
def free_memory_kept() -> Iterator[None]:
    """Let the C library (glibc) keep what is freed until this ends, instead of handing it back at once.

    A training allocates and frees the same hundreds of megabytes in each update: a tenth of its time.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "mallopt"):
        yield
        return
    for parameter, n_bytes in ((M_MMAP_THRESHOLD, 1 << 30), (M_TRIM_THRESHOLD, (1 << 31) - 1)):
        library.mallopt(parameter, n_bytes)
    try:
        yield
    finally:
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            library.mallopt(parameter, ADAPTED)
        give_back_free_memory()


def told_at_start() -> str:
    """Return the line that a job's log begins with."""
    return f"{STARTUP}: {time.process_time():.2f}"


def told_at_end() -> str:
    """Return the lines that a job's log ends with."""
    return f"{IN_ALL}: {time.process_time():.2f}\n{PEAK}: {own_mb('VmHWM'):.1f}"


def logged(log: str | os.PathLike) -> tuple[float, float, float]:
    """Read a job's log.

    Parameters
    ----------
    log : path-like

    Returns
    -------
    startup_seconds, seconds, peak_memory_mb : float
        CPU time of start-up and in all, and the most memory that the process held; NaN for what the log does not tell.
    """
    text = Path(log).read_text(encoding="utf-8", errors="replace")

    def number(line: str) -> float:
        found = re.findall(f"^{line}: ([0-9.]+)$", text, re.MULTILINE)
        return float(found[-1]) if found else math.nan

    return number(STARTUP), number(IN_ALL), number(PEAK)


def warnings_of(run: str | os.PathLike, *, since: float = 0) -> list[str]:
    """Return the warnings in the logs of a run's jobs, each once, in order.

    Parameters
    ----------
    run : path-like
        Folder of the run.
    since : float
        Time in seconds since the epoch; logs written before it are left out.
    """
    logs = [path for path in sorted(Path(run, "logs").rglob("*.log")) if path.stat().st_mtime >= since]
    if Path(run, "logs", "corpus.log") in logs:  # its job repeats the warnings about songs
        logs = [path for path in logs if path.parent.name != "spectrograms"]
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in logs)
    found = (line for text in texts for line in re.findall(r"^WARNING veracity\S* (.+)$", text, re.MULTILINE))
    return list(dict.fromkeys(found))
