"""Rule fidelity_vs_correctness: relation between the fidelity of LIME and the correctness of its explanation."""

from veracity.results import fidelity_vs_correctness
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    label_name, shown = snakemake.params.label_name, {"fill": snakemake.params.fill, "footnote": snakemake.params.note}
    table = fidelity_vs_correctness.table(read_table(snakemake.input[0], label_name), seed=snakemake.params.seed)
    write_table(
        snakemake,
        table,
        fidelity_vs_correctness.page(table, label_name),
        "Fidelity and correctness of LIME's explanations",
        empty=NO_TRUTH,
    )
    save(fidelity_vs_correctness.plot(table, **shown, label_name=label_name), snakemake.output.png, snakemake.output.pdf)
