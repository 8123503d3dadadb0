"""Rule figure_explainers: flip curves of the best explainers of each kind, with exact bounds."""

from veracity.results import figure_explainers
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    shown = figure_explainers.table(read_table(snakemake.input[0], label_name), fill=snakemake.params.fill)
    write_table(snakemake, shown)
    figure = figure_explainers.plot(shown, footnote=snakemake.params.note, label_name=label_name)
    save(figure, snakemake.output.png, snakemake.output.pdf)
