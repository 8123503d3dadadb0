"""Rule classifier: describe a user-supplied classifier, and check the configuration for it before long computations."""

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
    check_needs(explainers_of(settings["explainers"]), classifier.missing(model))
    table = classifier.table(settings["model"]["build"], one_label, model, lime.grid(*one_label.shape))
    write_table(snakemake, table, title="The classifier that is attacked and explained")
