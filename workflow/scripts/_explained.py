"""The model that is explained."""

import logging
from typing import Any

from veracity.explainers.lime import LimeSettings
from veracity.games.explained import ExplainedModel
from veracity.games.models import explained_model
from veracity.songs.frontend import FrontEnd

from _attacked import attacked_detector


def explained(snakemake: Any) -> tuple[ExplainedModel, LimeSettings, FrontEnd, float]:
    """Load the model that is explained, LIME's settings, the front end and the threshold."""
    settings = dict(snakemake.params.settings["lime"])
    predict = settings.pop("predict")
    if "fill" in settings:  # a stage uses one fill, all of them, or none
        settings["fills"] = [settings["fill"]]
    elif "fills" in settings:
        settings["fill"] = settings["fills"][0]
    network, frontend, threshold = attacked_detector(snakemake, snakemake.params.device)
    lime = LimeSettings(**settings)
    grid, tables = lime.grid(network.excerpt_frames, frontend.n_mels), lime.evaluator == "auto"
    model = explained_model(network, grid, exact=lime.exact, exact_tables=tables, predict=predict)
    logging.info("evaluator: %s (%s)", model.evaluator.name, model.evaluator.reason)
    return model, lime, frontend, threshold
