"""Rule flip_rates: pool the flips of all songs."""

from veracity.artefacts import Flips
from veracity.summaries import flip_rates, flips_long

from _job import job, read_all, write_table

with job(snakemake):
    write_table(snakemake, flip_rates(flips_long(read_all(snakemake.input, Flips))))
