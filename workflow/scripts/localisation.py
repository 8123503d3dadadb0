"""Rule localisation: segments of localised perturbations that LIME identifies, compared with the smallest flip sets."""

from veracity.results import localisation
from veracity.results.pooling import read_table

from _job import job
from _tables import write_table

with job(snakemake):
    table = localisation.table(read_table(snakemake.input[0], snakemake.params.label_name))
    stored = ", ".join(snakemake.params.stored)
    preface = f"Without {stored}, because stored attributions exist only for complete perturbations." if stored else ""
    title = "Localised perturbations: identified segments and needed segments"
    write_table(snakemake, table, title=title, preface=preface)
