"""Rule synthetic_corpus: synthesise songs with exact labels, in the Jamendo layout."""

from veracity.songs.synthesis import SynthesisSettings, write_corpus

from _job import job

with job(snakemake):
    settings = snakemake.params.settings
    songs = SynthesisSettings(**settings["corpus"]["synthetic"], sample_rate=settings["frontend"]["sample_rate"])
    write_corpus(snakemake.params.folder, songs, seed=settings["seed"])
