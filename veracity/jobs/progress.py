"""Progress of long computations, as a bar in a terminal or as occasional lines in a log."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

LOG_SECONDS = 20.0  # minimum interval between two lines in a log


class Progress:
    """Progress bar or log of a computation, used as a context manager.

    Parameters
    ----------
    total : int
        Number of steps in total.
    description : str
        Description of the computation.
    done : int
        Number of steps already completed, 0 by default.
    """

    def __init__(self, total: int, description: str, *, done: int = 0) -> None:
        self._bar = tqdm(total=total, desc=description, initial=done, disable=not sys.stderr.isatty(), leave=False)
        self._total, self._done, self._description = total, done, description
        self._started = self._last_line = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report `count` completed steps, with a short note on the state of the computation."""
        self._done += count
        if not self._bar.disable:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line > LOG_SECONDS:
            self._last_line = time.monotonic()
            self._line(note)

    def _line(self, note: str) -> None:
        seconds = time.monotonic() - self._started
        print(
            f"{self._description}: {self._done}/{self._total} in {seconds:.0f} s {note}".rstrip(),
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()
        if self._bar.disable and kind is None:
            self._line("done")
