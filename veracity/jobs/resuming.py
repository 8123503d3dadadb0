"""Work that takes hours and goes on where it was killed: its state, saved now and then (training, attacks)."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .files import clear_orphans
from .tensors import load_tensors, save_tensors

log = logging.getLogger(__name__)


class SavedState:
    """State of one piece of work, in a file beside its result, until that is written.

    Parameters
    ----------
    path : path-like or None
        None saves nothing.
    every_seconds : float
        What a kill loses at most, but for the step that was under way.
    made_by : str
        Digest of the code; what other code has left is not gone on from.
    """

    def __init__(self, path: str | os.PathLike | None = None, *, every_seconds: float = 60.0, made_by: str = "") -> None:
        self.path = None if path is None else Path(path)
        self.every_seconds, self.made_by = every_seconds, made_by
        self._identity: dict[str, Any] = {}
        self._saved_at = time.monotonic()

    def restore(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what was saved, on the CPU, if it is there, whole, and of the same work; None to begin anew.

        What is damaged is put aside, and what a killed process was writing is removed.

        Parameters
        ----------
        identity : mapping of str to plain values
            All that decides how the work goes on: settings and digests of what it works on.
        """
        self._saved_at, self._identity = time.monotonic(), {**identity, "made_by": self.made_by}
        if self.path is None:
            return None
        clear_orphans(self.path)
        if not self.path.is_file():
            return None
        try:
            content = load_tensors(self.path)
        except CheckpointError as error:
            self._put_aside(error)
            return None
        if not isinstance(content, dict) or content.get("identity") != self._identity:
            return None
        log.info("going on from the state that an unfinished job has left in %s", self.path)
        return content["state"]

    def save_when_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save tensors and plain values if the time has come; `state` is called only then."""
        if self.path is not None and time.monotonic() - self._saved_at >= self.every_seconds:
            save_tensors(self.path, {"identity": self._identity, "state": state()})
            self._saved_at = time.monotonic()

    def remove(self) -> None:
        """Forget the state, and one that was put aside: the work is done, and its result is safe."""
        if self.path is not None:
            clear_orphans(self.path)
            self.path.unlink(missing_ok=True)
            self._aside(self.path).unlink(missing_ok=True)

    def _put_aside(self, error: CheckpointError) -> None:
        assert self.path is not None
        aside = self._aside(self.path)
        try:
            self.path.replace(aside)
        except OSError:  # it stays, and the next state replaces it
            aside = self.path
        log.warning(
            "the state that an unfinished job has left cannot be gone on from (%s): begun anew, it is kept as %s", error, aside
        )

    @staticmethod
    def _aside(path: Path) -> Path:
        return path.with_name(f"damaged.{path.name}")
