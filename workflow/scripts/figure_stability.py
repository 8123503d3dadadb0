"""Rule figure_stability: sampling error of LIME against the number of samples."""

import pandas as pd

from veracity.results import figure_stability
from veracity.results.canvas import save

from _job import job, write_table

with job(snakemake):
    table = pd.read_csv(snakemake.input[0])
    write_table(snakemake, table)
    params = snakemake.params
    figure = figure_stability.plot(table, n_segments=params.n_segments, paper_n_samples=params.n_samples, footnote=params.note)
    save(figure, snakemake.output.png, snakemake.output.pdf)
