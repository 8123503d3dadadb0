"""Rule explainer_costs: number of model queries and duration of the jobs of each explainer."""

from veracity.results import explainer_costs
from veracity.results.pooling import NO_TRUTH, read_table

from _job import job
from _tables import write_table

with job(snakemake):
    scores = read_table(snakemake.input[0], snakemake.params.label_name)
    table = explainer_costs.table(scores, snakemake.params.results)
    write_table(snakemake, table, explainer_costs.page(table), "Queries and time of the explainers", empty=NO_TRUTH)
