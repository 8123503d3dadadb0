"""Rule localised_rows: the localised perturbations of all songs, one row each."""

from veracity.artefacts import Localised
from veracity.summaries import localised_long

from _job import job, read_all, write_table

with job(snakemake):
    write_table(snakemake, localised_long(read_all(snakemake.input, Localised)))
