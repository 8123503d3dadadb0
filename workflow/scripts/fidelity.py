"""Rule fidelity: how well LIME's surrogates fit, by what switched-off segments hold."""

from veracity.artefacts import Explanations
from veracity.summaries import fidelity_by_fill

from _job import job, read_all, write_table

with job(snakemake):
    write_table(snakemake, fidelity_by_fill(read_all(snakemake.input, Explanations)), title="Fidelity of LIME by fill")
