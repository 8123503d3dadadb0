"""Saved state from which a killed job resumes."""

from typing import Any

from veracity.jobs.resuming import SavedState


def saved_state(snakemake: Any) -> SavedState:
    """Return the saved state of the job; a state saved by another version of the code is ignored."""
    params = snakemake.params
    return SavedState(params.state, every_seconds=params.save_every_seconds, made_by=params.code)
