"""Rule faithfulness_to_own_game: faithfulness of explainers to the game that they explain, with their scores."""

from veracity.results import faithfulness_to_own_game
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_csv, write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    table = faithfulness_to_own_game.table(read_table(snakemake.input.leaderboard, label_name))
    scores, fill = read_table(snakemake.input.scores, label_name), snakemake.params.fill
    agreement = faithfulness_to_own_game.agreement(scores, fill=fill, seed=snakemake.params.seed)
    write_csv(snakemake, agreement, snakemake.output.agreement)
    write_table(
        snakemake,
        table,
        faithfulness_to_own_game.page(table, label_name),
        "Agreement of explainers with their own game and with the flip sets",
        empty=NO_TRUTH,
    )
    figure = faithfulness_to_own_game.plot(table, agreement, fill=fill, footnote=snakemake.params.note, label_name=label_name)
    save(figure, snakemake.output.png, snakemake.output.pdf)
