"""Rule gap: decomposition of the difference between the paper's LIME and the best ranking."""

from veracity.results import gap
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    called = snakemake.params.called
    table = gap.table(read_table(snakemake.input[0], called), fill=snakemake.params.fill, seed=snakemake.params.seed)
    write_table(
        snakemake, table, gap.page(table, called), "Decomposition of the gap between LIME and the best ranking", empty=NO_TRUTH
    )
    save(gap.plot(table, footnote=snakemake.params.note, called=called), snakemake.output.png, snakemake.output.pdf)
