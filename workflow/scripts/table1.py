"""Rule table1: label flips by LIME's top three segments and by other selections (paper Table 1)."""

from veracity.results import table1
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    table = table1.table(read_table(snakemake.input[0], label_name), fill=snakemake.params.fill, label_name=label_name)
    write_table(snakemake, table, table1.page(table), "Table 1: label flips with k = 3 segments")
