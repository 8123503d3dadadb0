"""Table ``classifier``: properties of a user-supplied classifier and the evaluation of its masks."""

import pandas as pd

from ..classifiers.protocol import OneLabel
from ..errors import ConfigError
from ..games.explained import ExplainedModel
from ..games.grid import SegmentGrid


def table(name: str, one: OneLabel, model: ExplainedModel, grid: SegmentGrid) -> pd.DataFrame:
    """Describe a classifier.

    Parameters
    ----------
    name : str
        Name of the classifier in the configuration.
    one : OneLabel
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
                "label": one.label,
                "labels": len(one.classifier.labels),
                "threshold": one.threshold,
                "sample_rate": one.classifier.sample_rate,
                "excerpt_seconds": one.classifier.excerpt_samples / one.classifier.sample_rate,
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
    found = {}
    if not model.exact:
        found["the values of all masks"] = model.evaluator.reason or "lime.exact is false"
    if model.module is None:
        found["layers"] = "the classifier does not expose them"
    return found


def check_length(one: OneLabel, attacked_seconds: float | None) -> None:
    """Raise ConfigError if the attacked part of a song is shorter than an excerpt."""
    needed = one.classifier.excerpt_samples / one.classifier.sample_rate
    if attacked_seconds is not None and attacked_seconds < needed:
        raise ConfigError(
            f"attacks.seconds: shorter than an excerpt of the classifier of {needed:.2f} s, got {attacked_seconds}. Raise it."
        )


def check_study(model: ExplainedModel, n_samples: list[int]) -> None:
    """Raise ConfigError if the stability study is requested and not all masks can be evaluated."""
    if n_samples and not model.exact:
        raise ConfigError(
            "stability.n_samples: requires all masks, which are not available "
            f"({model.evaluator.reason or 'lime.exact is false'}), got {n_samples}. Set it to [], or use at most 12 segments."
        )
