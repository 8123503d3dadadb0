"""The model that is explained."""

import logging
from typing import Any

from veracity.experiments import ExplainedModel, LimeSettings, explained_model
from veracity.frontend import FrontEnd

from _attacked import attacked_detector


def explained(snakemake: Any) -> tuple[ExplainedModel, LimeSettings, FrontEnd, float]:
    """Load the model that is explained, LIME's settings, the front end and the threshold."""
    settings = dict(snakemake.params.settings["lime"])
    predict = settings.pop("predict")
    network, frontend, threshold = attacked_detector(snakemake, snakemake.params.settings["explaining_device"])
    lime = LimeSettings(**settings)
    model = explained_model(network, lime, n_mels=frontend.n_mels, predict=predict)
    logging.info("evaluator: %s (%s)", model.evaluator.name, model.evaluator.reason)
    return model, lime, frontend, threshold
