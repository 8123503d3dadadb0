"""Rule table1: label flips with LIME's three most relevant segments (paper Table 1), and with others."""

import pandas as pd

from veracity.summaries import as_paper_table, table1

from _job import job, write_table

TITLES = {"lime": "LIME", "lime_exact": "LIME, exact", "energy": "norm", "best": "best 3", "random": "random 3"}

with job(snakemake):
    table = table1(pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"]), fill=snakemake.params.fill)
    write_table(snakemake, table, as_paper_table(table, TITLES), "Table 1: label flips with k = 3 segments")
