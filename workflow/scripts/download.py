"""Rule download: download and unpack the archive of a corpus."""

from veracity.errors import ConfigError
from veracity.songs.download import fetch_archive

from _job import job

with job(snakemake):
    if not (snakemake.params.url and snakemake.params.folder):
        raise ConfigError("set corpus.url and corpus.folder to download a corpus; config/jamendo.yaml has both")
    fetch_archive(snakemake.params.url, snakemake.params.folder, sha256=snakemake.params.sha256)
