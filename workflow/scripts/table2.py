"""Rule table2: label flips with all segments of positive weight, and with as many by energy (paper Table 2)."""

import pandas as pd

from veracity.summaries import as_paper_table, table2

from _job import job, write_table

TITLES = {"lime_positive": "LIME", "energy_as_many": "norm"}

with job(snakemake):
    table = table2(pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"]), fill=snakemake.params.fill)
    write_table(snakemake, table, as_paper_table(table, TITLES), "Table 2: label flips with all positive segments")
