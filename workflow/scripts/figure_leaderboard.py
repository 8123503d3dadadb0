"""Rule figure_leaderboard: area under the flip curve of all explainers, with intervals."""

from veracity.results import figure_leaderboard
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    called = snakemake.params.called
    shown = figure_leaderboard.table(read_table(snakemake.input.leaderboard, called))
    write_table(snakemake, shown)
    scores = read_table(snakemake.input.scores, called)
    figure = figure_leaderboard.plot(shown, scores, fill=snakemake.params.fill, footnote=snakemake.params.note, called=called)
    save(figure, snakemake.output.png, snakemake.output.pdf)
