"""Rule sensitivity: estimates of the truth study with alternative, declared methods."""

from veracity.results import sensitivity
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name, names = snakemake.params.label_name, {"fill": snakemake.params.fill, "seed": snakemake.params.seed}
    table = sensitivity.table(read_table(snakemake.input[0], label_name), **snakemake.params.contrasts, **names)
    title = "Estimates under alternative methods"
    write_table(snakemake, table, sensitivity.page(table, label_name), title, empty=NO_TRUTH)
