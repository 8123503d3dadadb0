"""Simulated kill: a computation that saves its state is aborted and started again."""

from types import ModuleType

import pytest


class KilledError(Exception):
    """Exception that no code catches."""


def kill_after(monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, n_steps: int) -> list[int]:
    """Make a function of a module raise an exception after the given number of calls; return the counter of calls."""
    count, original = [0], getattr(module, step)

    def counted(*args):
        if count[0] == n_steps:
            raise KilledError
        count[0] += 1
        return original(*args)

    monkeypatch.setattr(module, step, counted)
    return count
