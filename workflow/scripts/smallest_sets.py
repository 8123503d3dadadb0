"""Rule smallest_sets: size of the smallest flip sets, and whether it is proved."""

from veracity.experiments.flips import Flips
from veracity.results import smallest_sets

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    table = smallest_sets.table(read_all(snakemake.input, Flips))
    page = smallest_sets.page(table, snakemake.params.label_name)
    write_table(snakemake, table, page, "Smallest flip sets")
