"""Rule corpus: properties of each song, and a verdict on its audio and labels."""

import logging

from veracity.jobs import store
from veracity.results import corpus
from veracity.songs.spectra import Spectrogram

from _job import job
from _tables import write_table

with job(snakemake):
    log = logging.getLogger("veracity.results.corpus")
    if unused := snakemake.params.unused_labels:
        shown = ", ".join(unused[:3]) + (", ..." if len(unused) > 3 else "")
        log.warning("%d files that may contain labels are not used (%s); see docs/corpus.md", len(unused), shown)
    table = corpus.table(store.read(path, Spectrogram) for path in snakemake.input)
    for song, verdict in zip(table.song, table.verdict, strict=True):
        if verdict != corpus.GOOD:
            log.warning("%s: %s (table corpus)", song, verdict)
    write_table(snakemake, table, corpus.page(table), "Songs of the corpus")
