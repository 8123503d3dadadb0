"""Rule classifier: describe a user-supplied classifier, and check the configuration for it before long computations."""

from veracity.classifiers.building import trial_excerpts
from veracity.explainers.evaluate import try_out
from veracity.explainers.settings import check_needs, explainers_of
from veracity.results import classifier

from _attacked import custom_classifier
from _explained import explained
from _job import job
from _tables import write_table

with job(snakemake):
    settings, one_label = snakemake.params.settings, custom_classifier(snakemake)
    of_run = explained(snakemake)
    model, lime = of_run.model, of_run.lime
    classifier.check_length(one_label, settings["attacks"]["seconds"])
    if lime.exact:
        classifier.check_study(model, settings["stability"]["n_samples"])
    explainers, grid = explainers_of(settings["explainers"]), lime.grid(*one_label.shape)
    check_needs(explainers, classifier.missing(model))
    trial = one_label.representation(trial_excerpts(one_label.classifier.excerpt_samples)[2:]).detach()
    try_out(explainers, model, trial, grid, threshold=one_label.decision)
    table = classifier.table(settings["model"]["build"], one_label, model, grid)
    write_table(snakemake, table, title="The classifier that is attacked and explained")
