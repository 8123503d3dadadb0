"""Rule table1: label flips with LIME's three most relevant segments (paper Table 1), and with others."""

import pandas as pd

from veracity.results import table1

from _job import job, write_table

with job(snakemake):
    table = table1.table(pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"]), fill=snakemake.params.fill)
    write_table(snakemake, table, table1.page(table), "Table 1: label flips with k = 3 segments")
