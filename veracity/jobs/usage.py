"""CPU time, memory and warnings of jobs, from the operating system and from their logs."""

import ctypes
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")  # exists on Linux only
STARTUP, IN_ALL, PEAK = "CPU seconds of start-up", "CPU seconds in all", "peak memory in MB"  # lines in the log of a job

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt in glibc
ADAPTED = 1 << 25  # largest value of the dynamic thresholds of glibc


def process_mb(kind: str) -> float:
    """Return the resident memory of this process in MB; NaN if it is not available.

    getrusage is not suitable: ru_maxrss survives exec, so that a child process starts with the peak of its parent.

    Parameters
    ----------
    kind : {"VmRSS", "VmHWM"}
        Current or peak memory.

    Returns
    -------
    float
        Resident memory in MB.
    """
    match = re.search(rf"{kind}:\s+(\d+) kB", STATUS.read_text(encoding="ascii")) if STATUS.exists() else None
    return int(match[1]) * 1024 / 1e6 if match else math.nan


def give_back_free_memory() -> None:
    """Return freed memory to the operating system if the C library is glibc.

    Loops that allocate and free tensors of many sizes fragment the heap of glibc. Without this call, which takes 20 ms, the
    memory of an attack grew by 10 MB per update. Separate mappings for large blocks would be a third slower.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


@contextmanager
def free_memory_kept() -> Iterator[None]:
    """Keep freed memory in the process until the block ends, instead of returning it immediately (glibc only).

    Training allocates and frees the same hundreds of megabytes in each update. Keeping them saves a tenth of its time.
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


def startup_line() -> str:
    """Return the first line of a job's log: the CPU time of its start-up."""
    return f"{STARTUP}: {time.process_time():.2f}"


def usage_lines() -> str:
    """Return the last lines of the log of a job, its CPU time and peak memory."""
    return f"{IN_ALL}: {time.process_time():.2f}\n{PEAK}: {process_mb('VmHWM'):.1f}"


def logged(log: str | os.PathLike) -> tuple[float, float, float]:
    """Return the CPU time and memory recorded in the log of a job.

    Parameters
    ----------
    log : path-like
        Log of the job.

    Returns
    -------
    startup_seconds, seconds, peak_memory_mb : float
        CPU time of start-up and in total in seconds, and peak memory in MB; NaN if the log does not contain a value.
    """
    text = Path(log).read_text(encoding="utf-8", errors="replace")

    def number(line: str) -> float:
        matches = re.findall(f"^{line}: ([0-9.]+)$", text, re.MULTILINE)
        return float(matches[-1]) if matches else math.nan

    return number(STARTUP), number(IN_ALL), number(PEAK)


def warnings_of(run: str | os.PathLike, *, since: float = 0) -> list[str]:
    """Return the distinct warnings in the logs of a run.

    Parameters
    ----------
    run : path-like
        Folder of the run.
    since : float
        Time in seconds since the epoch, 0 by default. Older logs are ignored.

    Returns
    -------
    list of str
        Warnings in the order of the paths of the logs.
    """
    logs = [path for path in sorted(Path(run, "logs").rglob("*.log")) if path.stat().st_mtime >= since]
    if Path(run, "logs", "corpus.log") in logs:  # it repeats the warnings about songs
        logs = [path for path in logs if path.parent.name != "spectrograms"]
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in logs)
    messages = (line for text in texts for line in re.findall(r"^WARNING veracity\S* (.+)$", text, re.MULTILINE))
    return list(dict.fromkeys(messages))
