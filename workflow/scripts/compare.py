"""Rule compare: a run and its variants side by side, with differences over the same songs."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import Flips
from veracity.results import compare
from veracity.results.canvas import save

from _job import job, read_all
from _tables import write_csv, write_table

KINDS = {"excerpts": Excerpts, "explanations": Explanations, "flips": Flips}

with job(snakemake):
    label_name, variants = snakemake.params.label_name, []
    for run in snakemake.params.runs:
        read = {stage: read_all(run[stage], kind) for stage, kind in KINDS.items()}
        shared = {(domain, song) for domain, song in run["shared"]}
        names = {key: run[key] for key in ("name", "fill", "n_segments", "songs")}
        variants.append(compare.Variant(**names, shared=shared, **read))
    measured = [compare.rows(variant) for variant in variants]
    table, curves = compare.table(variants, measured, seed=snakemake.params.seed), compare.curves(variants, measured)
    write_table(
        snakemake,
        table,
        compare.page(table, label_name),
        "Comparison of the run and its variants, with differences from the run and 95 % intervals",
    )
    write_csv(snakemake, curves, snakemake.output.curves)
    figure = compare.plot(
        curves, table, [variant.name for variant in variants], footnote=snakemake.params.note, label_name=label_name
    )
    save(figure, snakemake.output.png, snakemake.output.pdf)
