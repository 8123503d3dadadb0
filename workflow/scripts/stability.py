"""Rule stability: sampling error of LIME against the number of samples."""

from veracity.artefacts import Stability
from veracity.summaries import stability_table

from _job import job, read_all, write_table

with job(snakemake):
    table = stability_table(read_all(snakemake.input, Stability))
    write_table(snakemake, table, title="Sampled against exact LIME")
