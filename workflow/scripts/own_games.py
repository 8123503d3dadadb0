"""Rule own_games: faithfulness of each explainer to the game that it explains, with its score against the truth."""

from veracity.results import own_games
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_csv, write_table

with job(snakemake):
    called = snakemake.params.called
    table = own_games.table(read_table(snakemake.input.leaderboard, called))
    scores, fill = read_table(snakemake.input.scores, called), snakemake.params.fill
    agreement = own_games.agreement(scores, fill=fill, seed=snakemake.params.seed)
    write_csv(snakemake, agreement, snakemake.output.agreement)
    write_table(
        snakemake,
        table,
        own_games.page(table, called),
        "Agreement of explainers with their own game and with the flip sets",
        empty=NO_TRUTH,
    )
    figure = own_games.plot(table, agreement, fill=fill, footnote=snakemake.params.note, called=called)
    save(figure, snakemake.output.png, snakemake.output.pdf)
