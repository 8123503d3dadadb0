"""Rule sampling_error: sampling error of LIME by number of samples."""

from veracity.experiments.stability import Stability
from veracity.results import sampling_error

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    table = sampling_error.table(read_all(snakemake.input, Stability))
    write_table(snakemake, table, title="Sampling error of LIME")
