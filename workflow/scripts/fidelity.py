"""Rule fidelity: fidelity of LIME by fill."""

from veracity.experiments.explanations import Explanations
from veracity.results import fidelity

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    write_table(snakemake, fidelity.table(read_all(snakemake.input, Explanations)), title="Fidelity of LIME by fill")
