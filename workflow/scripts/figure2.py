"""Rule figure2: label flips by number of segments (paper Figure 2)."""

from veracity.results import figure2
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    rates = read_table(snakemake.input[0], snakemake.params.label_name)
    shown = figure2.table(rates, fill=snakemake.params.fill)
    write_table(snakemake, shown)
    save(
        figure2.plot(shown, footnote=snakemake.params.note, label_name=snakemake.params.label_name),
        snakemake.output.png,
        snakemake.output.pdf,
    )
