"""Rule figure4: fidelity of explanations that identify the perturbed segment, and of others (paper Figure 4)."""

import pandas as pd

from veracity.results import figure4
from veracity.results.canvas import save

from _job import job, write_table

with job(snakemake):
    fidelity = figure4.table(pd.read_csv(snakemake.input[0]))
    write_table(snakemake, fidelity)
    save(figure4.plot(fidelity, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
