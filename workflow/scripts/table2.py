"""Rule table2: label flips with all segments of positive weight, and with as many by norm (paper Table 2)."""

import pandas as pd

from veracity.results import table2

from _job import job, write_table

with job(snakemake):
    table = table2.table(pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"]), fill=snakemake.params.fill)
    write_table(snakemake, table, table2.page(table), "Table 2: label flips with all positive segments")
