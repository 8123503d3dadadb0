"""Rule costs: where time, memory and disk of this run went."""

from pathlib import Path

from veracity.figures import figure_costs, save
from veracity.summaries import costs_table

from _job import job, write_table

with job(snakemake):
    table = costs_table(Path(snakemake.params.results))
    write_table(snakemake, table, title="What each stage of this run cost")
    save(figure_costs(table, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
