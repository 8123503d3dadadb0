"""Rule tuning: attack settings that flip the most excerpts of the validation songs."""

from veracity.results import tuning

from _job import job
from _tables import write_table

with job(snakemake):
    rows = [tuning.read_run(path) for path in snakemake.input]
    write_table(snakemake, tuning.table(rows), title="Attack settings on the validation songs, best first")
