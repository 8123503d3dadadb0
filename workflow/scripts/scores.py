"""Rule scores: scores of all explainers for each excerpt against the exact flips of all masks."""

from veracity.experiments.attributions import Attributions
from veracity.experiments.explanations import Explanations
from veracity.experiments.flips import Flips
from veracity.results import scores

from _job import job, read_all
from _tables import write_csv

with job(snakemake):
    artefacts = {"flips": Flips, "explanations": Explanations, "attributions": Attributions}
    read = [read_all(snakemake.input.get(name), kind) for name, kind in artefacts.items()]
    settings = {name: snakemake.params[name] for name in ("seed", "n_samples", "n_rankings")}
    # 15 digits, so that equal sums of scores remain equal in significance tests.
    write_csv(snakemake, scores.table(*read, **settings), snakemake.output.table, digits=15)
