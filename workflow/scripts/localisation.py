"""Rule localisation: what LIME finds of localised perturbations, against the truth."""

from veracity.results import localisation
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    table = localisation.table(read_table(snakemake.input[0], snakemake.params.called))
    write_table(snakemake, table, title="Localised perturbations: segments found, and segments that were needed")
