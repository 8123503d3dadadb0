"""Rule explanations: sampled and exact LIME for the clean and adversarial excerpts of one song."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import explanations
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    seed = snakemake.params.settings["seed"]
    result = explanations.compute(excerpts, model, settings, seed=seed, song=snakemake.wildcards.song)
    store.write(snakemake.output[0], result, provenance(snakemake))
