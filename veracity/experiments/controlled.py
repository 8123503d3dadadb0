"""What a control leaves of one song (stage ``controlled``); needs no torch, so that tables do not load it."""

from dataclasses import dataclass

import numpy as np

from ..jobs.store import array, note


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """What explainers answer about the excerpts of one song in a control, and how well."""

    control: str = note("confined, cue, random_weights, or grid_ and a grid")
    explainers: np.ndarray = array("explainer", unit="name", doc="who was asked")
    fills: np.ndarray = array("explainer", unit="name", doc="of the game that each was asked about; clean: the perturbation")
    privileged: np.ndarray = array("explainer", unit="1", of=bool, doc="may it see the clean excerpt?")
    reads_model: np.ndarray = array("explainer", unit="1", of=bool, doc="does it read the model?")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    n_tried: int = note("excerpts in which the cause was planted; of the study's own as many as there are here")
    planted: np.ndarray = array(
        "excerpt", "segment", unit="1", of=bool, doc="where the cause was planted; nowhere where the control plants none"
    )
    outside: np.ndarray = array("excerpt", unit="ln magnitude", doc="largest difference outside of these segments")
    recall: np.ndarray = array(
        "explainer", "excerpt", unit="1", doc="share of the planted segments among as many first; NaN where none is planted"
    )
    aufc_normalised: np.ndarray = array(
        "explainer", "excerpt", unit="1", doc="area under the flip curve, 0 a random ranking, 1 the best; NaN where all agree"
    )
