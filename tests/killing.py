"""A stand-in for a kill: work that saves its state dies in the middle, and is begun again."""

from types import ModuleType

import pytest


class KilledError(Exception):
    """Nobody catches it."""


def kill_after(monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, n_steps: int) -> list[int]:
    """Let a module's function die when it is called after so many calls; return the count of calls, which goes on."""
    count, original = [0], getattr(module, step)

    def counted(*args):
        if count[0] == n_steps:
            raise KilledError
        count[0] += 1
        return original(*args)

    monkeypatch.setattr(module, step, counted)
    return count
