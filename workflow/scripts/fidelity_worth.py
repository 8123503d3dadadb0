"""Rule fidelity_worth: relation between the fidelity of LIME and the correctness of its explanation."""

from veracity.results import fidelity_worth
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    called, shown = snakemake.params.called, {"fill": snakemake.params.fill, "footnote": snakemake.params.note}
    table = fidelity_worth.table(read_table(snakemake.input[0], called), seed=snakemake.params.seed)
    write_table(
        snakemake, table, fidelity_worth.page(table, called), "Fidelity and correctness of LIME's explanations", empty=NO_TRUTH
    )
    save(fidelity_worth.plot(table, **shown, called=called), snakemake.output.png, snakemake.output.pdf)
