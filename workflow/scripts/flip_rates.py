"""Rule flip_rates: flip rates over all songs."""

from veracity.experiments.attributions import Attributions
from veracity.experiments.flips import Flips
from veracity.results import flip_rates

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    flips, attributions = read_all(snakemake.input.flips, Flips), read_all(snakemake.input.attributions, Attributions)
    write_table(snakemake, flip_rates.table(flip_rates.rows_of(flips, attributions)))
