"""Rule table2: label flips by all segments of positive weight, and by as many segments of largest norm (paper Table 2)."""

from veracity.results import table2
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    table = table2.table(read_table(snakemake.input[0], label_name), fill=snakemake.params.fill, label_name=label_name)
    write_table(snakemake, table, table2.page(table), "Table 2: label flips with all positive segments")
