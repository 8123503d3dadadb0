"""Rule localised: confine the perturbations of one song to k segments, and compare them with LIME's top k."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import localised
from veracity.experiments.flips import Flips
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    flips = store.read(snakemake.input.flips, Flips)
    seed, k_tried = snakemake.params.settings["seed"], snakemake.params.settings["localised"]["k"]
    result = localised.compute(excerpts, flips, model, settings, k_tried=k_tried, seed=seed, song=snakemake.wildcards.song)
    store.write(snakemake.output[0], result, provenance(snakemake))
