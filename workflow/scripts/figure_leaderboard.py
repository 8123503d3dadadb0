"""Rule figure_leaderboard: area under the flip curve of the best explainers of each query budget, with intervals."""

from veracity.results import figure_leaderboard
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    shown = figure_leaderboard.table(read_table(snakemake.input.leaderboard, label_name))
    write_table(snakemake, shown)
    scores = read_table(snakemake.input.scores, label_name)
    figure = figure_leaderboard.plot(
        shown, scores, fill=snakemake.params.fill, footnote=snakemake.params.note, label_name=label_name
    )
    save(figure, snakemake.output.png, snakemake.output.pdf)
