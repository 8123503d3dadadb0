"""Rule figure3: how many of the k perturbed segments LIME identifies (paper Figure 3)."""

from veracity.results import figure3
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    rows = read_table(snakemake.input[0], snakemake.params.label_name)
    counts = figure3.table(rows, k_tried=snakemake.params.k, n_segments=snakemake.params.n_segments)
    write_table(snakemake, counts)
    save(
        figure3.plot(counts, footnote=snakemake.params.note, label_name=snakemake.params.label_name),
        snakemake.output.png,
        snakemake.output.pdf,
    )
