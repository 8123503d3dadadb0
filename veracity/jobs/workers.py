"""Threads of one job, such that its result does not depend on their number.

Work is cut into parts that do not depend on how many threads there are; every part is computed on one thread, and what the
parts give is put together in their order. So one thread and eight give the same bytes, where torch's own threads do not: it
cuts sums into as many pieces as it has threads.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that share the parts of some work; made by `workers`.

    Parameters
    ----------
    n : int
        Parts that are computed at a time.
    """

    def __init__(self, n: int = 1) -> None:
        self.n = n
        self._pool = ThreadPoolExecutor(n) if n > 1 else None

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the work on each item, in their order."""
        return map(work, items) if self._pool is None or len(items) == 1 else self._pool.map(work, items)

    def close(self) -> None:
        """Let the threads end."""
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def workers(n: int | None, device: torch.device) -> Iterator[Workers]:
    """Provide threads, each of which computes alone: torch, BLAS and OpenMP have one thread in each of them.

    Parameters
    ----------
    n : int, optional
        As many as torch would take itself by default, which follows ``OMP_NUM_THREADS``; Snakemake sets it to a job's threads.
    device : torch.device
        A GPU is worked by one thread.
    """
    before = torch.get_num_threads()
    if device.type != "cpu":
        yield Workers()
        return
    with threadpool_limits(1):
        torch.set_num_threads(1)
        found = Workers(n or before)
        try:
            yield found
        finally:
            found.close()
            torch.set_num_threads(before)
