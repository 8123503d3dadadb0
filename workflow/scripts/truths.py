"""Rule truths: number, size and monotonicity of the flip sets of each perturbation."""

from veracity.experiments.flips import Flips
from veracity.results import truths
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH

from _job import job, read_all
from _tables import write_csv, write_table

with job(snakemake):
    label_name = snakemake.params.label_name
    rows = truths.rows_of(read_all(snakemake.input, Flips))
    write_csv(snakemake, rows, snakemake.output.excerpts)
    table = truths.table(rows, seed=snakemake.params.seed)
    write_table(
        snakemake, table, truths.page(table, label_name), "Sizes, numbers and monotonicity of flip sets", empty=NO_TRUTH
    )
    save(truths.plot(rows, footnote=snakemake.params.note, label_name=label_name), snakemake.output.png, snakemake.output.pdf)
