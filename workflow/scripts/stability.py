"""Rule stability: difference between sampled and exact LIME on excerpts of one song."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import stability
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    study = dict(snakemake.params.settings["stability"])
    result = stability.compute(
        store.read(snakemake.input.excerpts, Excerpts),
        model,
        settings,
        n_samples=study["n_samples"],
        n_repeats=study["n_repeats"],
        n_per_direction=study["per_direction"],
        seed=snakemake.params.settings["seed"],
        song=snakemake.wildcards.song,
    )
    store.write(snakemake.output[0], result, provenance(snakemake))
