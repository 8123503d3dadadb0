"""Rule flips: which segments of the perturbations of one song flip the label, by LIME, by norm, and in truth."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import flips
from veracity.experiments.explanations import Explanations
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    model, settings, _, _ = explained(snakemake)
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    explanations = store.read(snakemake.input.explanations, Explanations)
    seed = snakemake.params.settings["seed"]
    result = flips.compute(excerpts, explanations, model, settings, seed=seed, song=snakemake.wildcards.song)
    store.write(snakemake.output[0], result, provenance(snakemake))
