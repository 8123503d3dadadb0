"""Rule figure_stability: sampling error of LIME by number of samples."""

from veracity.results import figure_stability
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    table = read_table(snakemake.input[0])
    write_table(snakemake, table)
    params = snakemake.params
    figure = figure_stability.plot(table, n_segments=params.n_segments, paper_n_samples=params.n_samples, footnote=params.note)
    save(figure, snakemake.output.png, snakemake.output.pdf)
