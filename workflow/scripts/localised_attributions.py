"""Rule localised_attributions: explain the confined perturbations of one song with one explainer."""

from veracity.attacks.excerpts import Excerpts
from veracity.experiments import localised_attributions
from veracity.experiments.flips import Flips
from veracity.experiments.localised import Localised
from veracity.explainers.settings import ExplainerSettings
from veracity.jobs import store

from _explained import explained
from _job import job, provenance

with job(snakemake):
    of_run = explained(snakemake)
    model, settings = of_run.model, of_run.lime
    excerpts = store.read(snakemake.input.excerpts, Excerpts)
    result = localised_attributions.compute(
        excerpts,
        store.read(snakemake.input.flips, Flips),
        store.read(snakemake.input.localised, Localised),
        model,
        ExplainerSettings(**snakemake.params.settings["explainer"]),
        settings.grid(*excerpts.clean.shape[1:]),
        seed=snakemake.params.settings["seed"],
        song=snakemake.wildcards.song,
    )
    store.write(snakemake.output[0], result, provenance(snakemake))
