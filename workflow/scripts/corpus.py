"""Rule corpus: properties of each song, and a verdict on its audio and labels."""

import logging

from veracity.jobs import store
from veracity.results import corpus
from veracity.songs.spectra import Spectrogram

from _job import job
from _tables import write_table

with job(snakemake):
    table = corpus.table(store.read(path, Spectrogram) for path in snakemake.input)
    for song, verdict in zip(table.song, table.verdict, strict=True):
        if verdict != corpus.GOOD:
            logging.getLogger("veracity.results.corpus").warning("%s: %s (table corpus)", song, verdict)
    write_table(snakemake, table, corpus.page(table), "Songs of the corpus")
