"""Threads of a job whose results do not depend on the number of threads.

A computation is divided into parts independently of the number of threads. Each part runs on one thread, and the results are
combined in order. One thread and eight threads therefore give the same bytes. With the threads of torch they would not, because
torch splits sums by number of threads.
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
    """Pool of threads that process the parts of a computation; created by `workers`.

    Parameters
    ----------
    n : int
        Number of threads, 1 by default.
    """

    def __init__(self, n: int = 1) -> None:
        self.n = n
        self._pool = ThreadPoolExecutor(n) if n > 1 else None

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the results of `work` for all items in order."""
        return map(work, items) if self._pool is None or len(items) == 1 else self._pool.map(work, items)

    def close(self) -> None:
        """Shut down the threads."""
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def workers(n: int | None, device: torch.device) -> Iterator[Workers]:
    """Provide a pool of threads, in each of which torch, BLAS and OpenMP are limited to one thread.

    Parameters
    ----------
    n : int or None
        Number of threads. None is the default of torch, which follows ``OMP_NUM_THREADS``; Snakemake sets it to the threads of
        a job.
    device : torch.device
        Device of the computation. For a GPU, the pool always has one thread.

    Yields
    ------
    Workers
        The pool of threads.
    """
    before = torch.get_num_threads()
    if device.type != "cpu":
        yield Workers()
        return
    with threadpool_limits(1):
        torch.set_num_threads(1)
        pool = Workers(n or before)
        try:
            yield pool
        finally:
            pool.close()
            torch.set_num_threads(before)
