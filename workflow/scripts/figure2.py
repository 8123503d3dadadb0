"""Rule figure2: label flips against the number of segments (paper Figure 2)."""

import pandas as pd

from veracity.figures import figure2, save
from veracity.summaries import figure2_table

from _job import job, write_table

with job(snakemake):
    rates = pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"])
    shown = figure2_table(rates, fill=snakemake.params.fill)
    write_table(snakemake, shown)
    save(figure2(shown, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
