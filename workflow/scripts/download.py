"""Rule download: download and unpack the archive of a corpus, with its progress in the terminal."""

import os

from veracity.errors import ConfigError, quoted
from veracity.songs.download import fetch_archive

from _job import job

with os.fdopen(os.dup(2), "w") as terminal, job(snakemake):
    if not (snakemake.params.url and snakemake.params.folder):
        got = f"{quoted(snakemake.params.url)} and {quoted(snakemake.params.folder)}"
        raise ConfigError(f"corpus.url, corpus.folder: required for a download, got {got}. Set both as in config/jamendo.yaml.")
    fetch_archive(snakemake.params.url, snakemake.params.folder, sha256=snakemake.params.sha256, progress=terminal)
