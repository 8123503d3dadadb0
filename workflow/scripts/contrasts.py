"""Rule contrasts: test the contrasts of the configuration over songs."""

from veracity.results import contrasts
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name, names = snakemake.params.label_name, {"fill": snakemake.params.fill, "seed": snakemake.params.seed}
    table = contrasts.table(read_table(snakemake.input[0], label_name), **snakemake.params.contrasts, **names)
    write_table(
        snakemake,
        table,
        contrasts.page(table, label_name),
        f"Declared contrasts of {snakemake.params.contrasts['score']}",
        empty=NO_TRUTH,
    )
