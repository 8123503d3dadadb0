"""Table ``classifier``: properties of a user-supplied classifier and the evaluation of its masks."""

import pandas as pd

from ..classifiers.protocol import OneLabel
from ..errors import ConfigError
from ..games.explained import ExplainedModel
from ..games.grid import SegmentGrid


def table(name: str, model_of_label: OneLabel, model: ExplainedModel, grid: SegmentGrid) -> pd.DataFrame:
    """Describe a classifier.

    Parameters
    ----------
    name : str
        Name of the classifier in the configuration.
    model_of_label : OneLabel
        The classifier with its label.
    model : ExplainedModel
        The same classifier as the explained model.
    grid : SegmentGrid
        Segments of the representation.

    Returns
    -------
    DataFrame
        Table with a single row.
    """
    return pd.DataFrame(
        [
            {
                "model": name,
                "label": model_of_label.label,
                "labels": len(model_of_label.classifier.labels),
                "threshold": model_of_label.threshold,
                "sample_rate": model_of_label.classifier.sample_rate,
                "excerpt_seconds": model_of_label.classifier.excerpt_samples / model_of_label.classifier.sample_rate,
                "n_frames": grid.n_frames,
                "n_bands": grid.n_mels,
                "n_segments": grid.n_segments,
                "evaluator": model.evaluator.name,
                "all_masks": model.exact,
                "reason": model.evaluator.reason,
            }
        ]
    )


def missing(model: ExplainedModel) -> dict[str, str]:
    """Return the reason for each capability that the model lacks; see `veracity.explainers.settings.check_needs`."""
    reasons = {}
    if not model.exact:
        reasons["the values of all masks"] = model.lacks_masks
    if model.module is None:
        reasons["layers"] = "the classifier does not expose them"
    return reasons


def check_length(model: OneLabel, attacked_seconds: float | None) -> None:
    """Raise ConfigError if the attacked part of a song is shorter than an excerpt."""
    needed = model.classifier.excerpt_samples / model.classifier.sample_rate
    if attacked_seconds is not None and attacked_seconds < needed:
        raise ConfigError(
            f"attacks.seconds: must be at least {needed:.2f}, one excerpt of the classifier, got {attacked_seconds}. Raise it."
        )


def check_study(model: ExplainedModel, n_samples: list[int]) -> None:
    """Raise ConfigError if the stability study is requested and not all masks can be evaluated."""
    if n_samples and not model.exact:
        raise ConfigError(
            "stability.n_samples: requires all masks, which are not available "
            f"({model.lacks_masks}), got {n_samples}. Set it to [], or use at most 12 segments."
        )
