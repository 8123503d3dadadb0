"""Rule leaderboard: scores of each explainer over songs, with chance levels."""

from veracity.results import leaderboard
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    table = leaderboard.table(read_table(snakemake.input[0], label_name), seed=snakemake.params.seed)
    write_table(
        snakemake, table, leaderboard.page(table, label_name), "Scores of the explainers against the flip sets", empty=NO_TRUTH
    )
