"""Rule localised: confine the perturbations of one song to k segments and see whether LIME finds them."""

from veracity import store
from veracity.artefacts import Excerpts, Flips
from veracity.experiments import localise

from _explained import explained
from _job import job, provenance

with job(snakemake):
    model, settings, _, _ = explained(snakemake)
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    flips = store.read(snakemake.input.flips, Flips)
    seed, k_tried = snakemake.params.settings["seed"], snakemake.params.settings["localised"]["k"]
    result = localise(excerpts, flips, model, settings, k_tried=k_tried, seed=seed, song=snakemake.wildcards.song)
    store.write(snakemake.output[0], result, provenance(snakemake))
