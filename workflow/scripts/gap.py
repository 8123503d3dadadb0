"""Rule gap: decomposition of the gap between the paper's LIME and the best ranking."""

from veracity.results import gap
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    table = gap.table(read_table(snakemake.input[0], label_name), fill=snakemake.params.fill, seed=snakemake.params.seed)
    write_table(
        snakemake,
        table,
        gap.page(table, label_name),
        "Decomposition of the gap between LIME and the best ranking",
        empty=NO_TRUTH,
    )
    save(gap.plot(table, footnote=snakemake.params.note, label_name=label_name), snakemake.output.png, snakemake.output.pdf)
