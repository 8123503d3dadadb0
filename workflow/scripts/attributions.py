"""Rule attributions: explain the adversarial excerpts of one song with one explainer, and determine the flips."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import attributions
from veracity.explainers.settings import ExplainerSettings
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    result = attributions.compute(
        excerpts,
        model,
        ExplainerSettings(**snakemake.params.settings["explainer"]),
        settings.grid(*excerpts.clean.shape[1:]),
        seed=snakemake.params.settings["seed"],
        domain=snakemake.wildcards.domain,
        song=snakemake.wildcards.song,
    )
    store.write(snakemake.output[0], result, provenance(snakemake))
