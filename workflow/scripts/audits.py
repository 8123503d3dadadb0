"""Rule audits: the largest difference of any tabulated value from direct evaluation."""

from veracity.artefacts import Explanations, Flips, Localised
from veracity.summaries import audits_summary, audits_table

from _job import job, read_all, write_table

KINDS = {"explanations": Explanations, "flips": Flips, "localised": Localised}

with job(snakemake):
    found = ((stage, *item) for stage, kind in KINDS.items() for item in read_all(getattr(snakemake.input, stage), kind))
    table = audits_table(found)
    write_table(snakemake, table, audits_summary(table), "Audits: random masks evaluated directly")
