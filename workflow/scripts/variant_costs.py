"""Rule variant_costs: cost of the variants of a run, compared with separate runs."""

from veracity.results import variant_costs

from _job import job
from _tables import write_table

with job(snakemake):
    table = variant_costs.table(snakemake.params.runs)
    write_table(snakemake, table, variant_costs.page(table), "Cost of the run and its variants, together and separately")
