"""Rule controls: what explainers answer where the right answer is known, beside what was expected."""

from pathlib import Path

from veracity.experiments.controlled import Controlled
from veracity.jobs import store
from veracity.results import controls
from veracity.results.canvas import save

from _job import job
from _tables import write_table

with job(snakemake):
    found = [(Path(path).stem, Path(path).parent.name, store.read(path, Controlled)) for path in snakemake.input]
    table = controls.table(found, seed=snakemake.params.seed)
    title = "Controls: explainers where the right answer, or chance, is known"
    left_out = f" (left out: {'; '.join(snakemake.params.left_out)})" if snakemake.params.left_out else ""
    write_table(snakemake, table, controls.page(table), title + left_out)
    save(controls.plot(table, footnote=snakemake.params.note), snakemake.output.png, snakemake.output.pdf)
