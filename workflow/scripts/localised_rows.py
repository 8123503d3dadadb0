"""Rule localised_rows: localised perturbations of all songs, one row each."""

from veracity.experiments.localised import Localised
from veracity.experiments.localised_attributions import LocalisedAttributions
from veracity.results import localised_rows

from _job import job, read_all
from _tables import write_table

with job(snakemake):
    localised = read_all(snakemake.input.localised, Localised)
    attributions = read_all(snakemake.input.localised_attributions, LocalisedAttributions)
    write_table(snakemake, localised_rows.table(localised, attributions))
