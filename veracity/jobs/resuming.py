"""Saved states of computations that take hours (training and attacks), from which a new job resumes."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .files import remove_temporaries
from .tensors import load_tensors, save_tensors

log = logging.getLogger(__name__)


class SavedState:
    """Saved state of one computation, in a file next to its result.

    Parameters
    ----------
    path : path-like or None
        File of the state. If None, the default, nothing is saved.
    every_seconds : float
        Minimum interval between two saves in seconds, 60 by default.
    made_by : str
        Digest of the code. A state saved by different code is ignored.
    """

    def __init__(self, path: str | os.PathLike | None = None, *, every_seconds: float = 60.0, made_by: str = "") -> None:
        self.path = None if path is None else Path(path)
        self.every_seconds, self.made_by = every_seconds, made_by
        self._identity: dict[str, Any] = {}
        self._saved_at = time.monotonic()

    def restore(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the saved state if it exists, is readable and belongs to the same computation.

        A damaged state is renamed and reported in a warning.

        Parameters
        ----------
        identity : mapping of str to plain values
            All values that determine the remaining computation: settings, and digests of its inputs.

        Returns
        -------
        dict or None
            The saved tensors and values, on the CPU; None if the computation must start from the beginning.
        """
        self._saved_at, self._identity = time.monotonic(), {**identity, "made_by": self.made_by}
        if self.path is None:
            return None
        if not self.path.is_file():
            return None
        try:
            content = load_tensors(self.path)
        except CheckpointError as error:
            self._put_aside(error)
            return None
        if not isinstance(content, dict) or content.get("identity") != self._identity:
            return None
        log.info("resuming from the state of an unfinished job in %s", self.path)
        return content["state"]

    def save_when_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save tensors and plain values if the interval has elapsed; `state` is called only in that case."""
        if self.path is not None and time.monotonic() - self._saved_at >= self.every_seconds:
            save_tensors(self.path, {"identity": self._identity, "state": state()})
            self._saved_at = time.monotonic()

    def remove(self) -> None:
        """Remove the state, including a damaged one; call it after the result of the computation has been written."""
        if self.path is not None:
            for path in (self.path, self._aside(self.path)):
                path.unlink(missing_ok=True)
            remove_temporaries(self.path)  # only this job writes to the path

    def _put_aside(self, error: CheckpointError) -> None:
        assert self.path is not None
        aside = self._aside(self.path)
        try:
            self.path.replace(aside)
        except OSError:  # the damaged file remains until the next save replaces it
            aside = self.path
        problem = str(error).removeprefix(f"{self.path}: ").partition(". ")[0]
        log.warning(
            "%s: saved state %s, so the job starts from the beginning. The file is kept as %s.", self.path, problem, aside
        )

    @staticmethod
    def _aside(path: Path) -> Path:
        return path.with_name(f"damaged.{path.name}")
