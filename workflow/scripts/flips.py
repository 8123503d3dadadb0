"""Rule flips: label flips in one song by segments chosen by LIME or by the norm, and by all sets of segments."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import flips
from veracity.experiments.explanations import Explanations
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    explanations = store.read(snakemake.input.explanations, Explanations)
    config = snakemake.params.settings
    budget, names = config["flips"]["search_budget"], {"seed": config["seed"], "song": snakemake.wildcards.song}
    result = flips.compute(excerpts, explanations, model, settings, **names, search_budget=budget)
    store.write(snakemake.output[0], result, provenance(snakemake))
