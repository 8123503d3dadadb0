"""Rule figure4: fidelity of explanations that identify the perturbed segment, and of others (paper Figure 4)."""

from veracity.results import figure4
from veracity.results.canvas import save
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    fidelity = figure4.table(read_table(snakemake.input[0], snakemake.params.label_name))
    write_table(snakemake, fidelity)
    save(figure4.plot(fidelity, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
