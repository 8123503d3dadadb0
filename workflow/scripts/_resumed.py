"""The state of a job that goes on where it was killed."""

from typing import Any

from veracity.jobs.resuming import SavedState


def saved_state(snakemake: Any) -> SavedState:
    """Return where the job keeps its state; another version of the code does not go on from it."""
    params = snakemake.params
    return SavedState(params.state, every_seconds=params.save_every_seconds, made_by=params.code)
