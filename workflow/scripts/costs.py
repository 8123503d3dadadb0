"""Rule costs: time, memory and disk space of this run by stage."""

from pathlib import Path

from veracity.results import costs
from veracity.results.canvas import save

from _job import job
from _tables import write_table

with job(snakemake):
    table = costs.table(Path(snakemake.params.results))
    write_table(snakemake, table, title=costs.title(table))
    save(costs.plot(table, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
