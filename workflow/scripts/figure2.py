"""Rule figure2: label flips against the number of segments (paper Figure 2)."""

import pandas as pd

from veracity.results import figure2
from veracity.results.canvas import save

from _job import job, write_table

with job(snakemake):
    rates = pd.read_csv(snakemake.input[0], keep_default_na=False, na_values=["nan"])
    shown = figure2.table(rates, fill=snakemake.params.fill)
    write_table(snakemake, shown)
    save(figure2.plot(shown, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
