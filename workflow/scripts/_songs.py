"""The files of a job's song."""

from typing import Any


def song_files(snakemake: Any) -> tuple[str, str | None]:
    """Return audio and labels of a job's song: inputs, but for names with braces, which no input can have."""
    audio, labels = snakemake.params.paths
    return snakemake.input.get("audio") or audio, snakemake.input.get("labels") or labels
