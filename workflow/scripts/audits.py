"""Rule audits: largest difference between exact tables and direct evaluation."""

from pathlib import Path

from veracity.experiments.drawings import DrawnExcerpt
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import Flips
from veracity.experiments.localised import Localised
from veracity.experiments.stability import Stability
from veracity.jobs import store
from veracity.results import audits

from _job import job, read_all
from _tables import write_table

KINDS = {"explanations": Explanations, "flips": Flips, "localised": Localised, "stability": Stability}

with job(snakemake):
    audited = [(stage, *item) for stage, kind in KINDS.items() for item in read_all(snakemake.input.get(stage, []), kind)]
    audited += [
        ("drawings", Path(path).stem, "drawing", store.read(path, DrawnExcerpt)) for path in snakemake.input.get("drawings", [])
    ]
    table = audits.table(audited)
    write_table(snakemake, table, audits.page(table), "Audits: random masks evaluated directly")
