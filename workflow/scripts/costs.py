"""Rule costs: where time, memory and disk of this run went."""

from pathlib import Path

from veracity.figures import figure_costs, save
from veracity.summaries import costs_table

from _job import job, write_table

with job(snakemake):
    table = costs_table(Path(snakemake.params.results))
    work = 100 * (1 - table.startup_cpu_seconds.sum() / table.cpu_seconds.sum())
    title = (
        f"What each stage cost: {table.jobs.sum()} jobs, {table.cpu_seconds.sum():.0f} s of CPU time, {work:.1f} % of it work"
    )
    write_table(snakemake, table, title=title)
    save(figure_costs(table, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
