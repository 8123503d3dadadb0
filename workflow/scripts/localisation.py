"""Rule localisation: segments of localised perturbations that LIME identifies, compared with the smallest flip sets."""

from veracity.results import localisation
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    table = localisation.table(read_table(snakemake.input[0], snakemake.params.label_name))
    write_table(snakemake, table, title="Localised perturbations: identified segments and needed segments")
