"""Rule controls: scores of explainers in the controls, with the expected scores."""

from pathlib import Path

from veracity.experiments.controlled import Controlled
from veracity.jobs import store
from veracity.results import controls
from veracity.results.canvas import save

from _job import job
from _tables import write_csv, write_table

with job(snakemake):
    params = snakemake.params
    measured = controls.scores((Path(p).stem, Path(p).parent.name, store.read(p, Controlled)) for p in snakemake.input)
    table = controls.table(measured, seed=params.seed, margin=params.margin, left_out=params.left_out)
    write_csv(snakemake, measured, snakemake.output.excerpts)
    title = f"Controls: experiments whose correct answer or chance level is known. {controls.summary(table)}"
    write_table(snakemake, table, controls.page(table), title, empty="No controls are configured (controls.names).")
    save(controls.plot(table, measured, margin=params.margin, footnote=params.note), snakemake.output.png, snakemake.output.pdf)
