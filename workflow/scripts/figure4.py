"""Rule figure4: fidelity of explanations that identify the perturbed segment, and of others (paper Figure 4)."""

import pandas as pd

from veracity.figures import figure4, save
from veracity.summaries import figure4_table

from _job import job, write_table

with job(snakemake):
    fidelity = figure4_table(pd.read_csv(snakemake.input[0]))
    write_table(snakemake, fidelity)
    save(figure4(fidelity, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
