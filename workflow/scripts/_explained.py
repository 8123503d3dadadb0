"""Loading of the explained model with its settings."""

import logging
from dataclasses import dataclass
from typing import Any

from veracity.explainers.lime import LimeSettings
from veracity.games.explained import ExplainedModel
from veracity.games.models import explained_classifier, explained_model
from veracity.songs.frontend import FrontEnd

from _attacked import attacked_detector, custom_classifier


@dataclass(frozen=True)
class Explained:
    """Explained model with the settings of its explanation.

    Attributes
    ----------
    model : ExplainedModel
        Explained model with its evaluator.
    lime : LimeSettings
        Settings of LIME, including the grid.
    frontend : FrontEnd or None
        Front end of the detector; None for a user-supplied classifier.
    threshold : float
        Decision threshold.
    """

    model: ExplainedModel
    lime: LimeSettings
    frontend: FrontEnd | None
    threshold: float


def explained(snakemake: Any) -> Explained:
    """Load the explained model.

    Parameters
    ----------
    snakemake : Snakemake
        Object that Snakemake provides to scripts.

    Returns
    -------
    Explained
        Explained model with the settings of its explanation.
    """
    settings = dict(snakemake.params.settings["lime"])
    if "fill" in settings:  # the settings of a stage contain one fill, all fills, or none
        settings["fills"] = [settings["fill"]]
    elif "fills" in settings:
        settings["fill"] = settings["fills"][0]
    lime, frontend = LimeSettings(**settings), None
    if classifier := custom_classifier(snakemake):
        grid, threshold = lime.grid(*classifier.shape), classifier.decision
        model = explained_classifier(classifier, grid, exact=lime.exact, exact_tables=lime.evaluator == "auto")
    else:
        of_model = snakemake.params.settings["model"]
        detector = attacked_detector(snakemake, snakemake.params.device)
        network, frontend, threshold = detector.network, detector.frontend, detector.threshold
        grid, tables = lime.grid(network.excerpt_frames, frontend.n_mels), lime.evaluator == "auto"
        model = explained_model(network, grid, exact=lime.exact, exact_tables=tables, predict=of_model["predict"])
        if of_model["predict"] and of_model["threshold"] is not None:
            threshold = of_model["threshold"]
    logging.info("evaluator: %s (%s)", model.evaluator.name, model.evaluator.reason)
    return Explained(model, lime, frontend, threshold)
