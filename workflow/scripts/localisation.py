"""Rule localisation: what LIME finds of localised perturbations, against the truth."""

import pandas as pd

from veracity.results import localisation

from _job import job, write_table

with job(snakemake):
    table = localisation.table(pd.read_csv(snakemake.input[0]))
    write_table(snakemake, table, title="Localised perturbations: segments found, and segments that were needed")
