"""Rule audits: the largest difference of any tabulated value from direct evaluation."""

from pathlib import Path

from veracity import store
from veracity.artefacts import DrawnExcerpt, Explanations, Flips, Localised, Stability
from veracity.summaries import audits_summary, audits_table

from _job import job, read_all, write_table

KINDS = {"explanations": Explanations, "flips": Flips, "localised": Localised, "stability_study": Stability}

with job(snakemake):
    found = [(stage, *item) for stage, kind in KINDS.items() for item in read_all(snakemake.input.get(stage, []), kind)]
    found += [("drawings", Path(path).stem, "drawing", store.read(path, DrawnExcerpt)) for path in snakemake.input.drawings]
    table = audits_table(found)
    write_table(snakemake, table, audits_summary(table), "Audits: random masks evaluated directly")
