"""Evaluation of a detector: smoothing, threshold and scores (paper section 4.2)."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..errors import ConfigError
from ..labels import label, title
from .decisions import is_sing

log = logging.getLogger(__name__)

#: Candidate thresholds, as in the published implementation.
THRESHOLDS = np.array([1e-5, 1e-4, 1e-3, *np.arange(1, 100) / 100, 1 - 1e-3, 1 - 1e-4, 1 - 1e-5])


@dataclass(frozen=True)
class Scores:
    """Frame-wise scores from counts pooled over songs, where "sing" is the positive class; shares are in [0, 1].

    Attributes
    ----------
    n_songs, n_frames, n_sing : int
        Number of scored songs, of their frames, and of frames labelled "sing".
    error, recall, specificity, precision, f1 : float
        Shares at the threshold; NaN where undefined.
    auroc : float
        Area under the ROC curve; NaN unless both labels occur.
    """

    n_songs: int
    n_frames: int
    n_sing: int
    error: float
    recall: float
    specificity: float
    precision: float
    f1: float
    auroc: float


def unscored(n_songs: int) -> Scores:
    """Return the scores of songs without labels: no frames, and NaN for every share."""
    return Scores(n_songs, 0, 0, *[np.nan] * (len(fields(Scores)) - 3))


def smooth(p_sing: np.ndarray, *, frames: int) -> np.ndarray:
    """Apply a median filter of `frames` frames to the probabilities of a song; 0 or 1 leaves them unchanged."""
    from scipy.ndimage import median_filter

    return median_filter(p_sing, size=frames, mode="nearest") if frames > 1 else p_sing


def tune_threshold(p_sing: np.ndarray, truth: np.ndarray) -> float:
    """Return the first of `THRESHOLDS` with the highest accuracy.

    A warning is logged if no threshold is more accurate than predicting the more frequent label for all frames.

    Parameters
    ----------
    p_sing : ndarray, shape (n_frames,)
        Smoothed P(sing) of all validation songs.
    truth : ndarray of bool, shape (n_frames,)
        Whether each frame is labelled "sing".

    Returns
    -------
    float
        The tuned threshold.

    Raises
    ------
    ConfigError
        If all frames have the same label or the same probability, so that no threshold can be tuned.
    """
    if np.all(truth == truth[:1]):
        held = f"only frames of “{title(label(bool(truth[0])))}”" if len(truth) else "no frames"
        raise ConfigError(
            f"detector.threshold: cannot be tuned, because the validation songs contain {held}. Set it, or list validation "
            "songs with both labels."
        )
    if np.all(p_sing == p_sing[:1]):
        raise ConfigError(
            "detector.threshold: cannot be tuned, because P(sing) is the same for all frames of the validation songs, got "
            f"{float(p_sing[0]):.4g}. Train the detector longer, or give another checkpoint."
        )
    accuracies = [np.mean(is_sing(p_sing, threshold) == truth) for threshold in THRESHOLDS]
    if max(accuracies) <= max(np.mean(truth), 1 - np.mean(truth)):
        log.warning(
            "detector.threshold: on the validation songs, no threshold is more accurate than a constant decision, got %g "
            "(%.1f %% correct). Train the detector longer, or set the threshold.",
            THRESHOLDS[int(np.argmax(accuracies))],
            100 * max(accuracies),
        )
    return float(THRESHOLDS[int(np.argmax(accuracies))])


def score(p_sing: Sequence[np.ndarray], truth: Sequence[np.ndarray], threshold: float) -> Scores:
    """Score the smoothed probabilities of songs against their labels.

    Parameters
    ----------
    p_sing : sequence of ndarray, shape (n_frames,)
        Smoothed P(sing) of each song.
    truth : sequence of ndarray of bool, shape (n_frames,)
        Whether each frame is labelled "sing", for each song.
    threshold : float
        Decision threshold for P(sing).

    Returns
    -------
    Scores
        Scores with NaN where undefined, for example recall without frames labelled "sing".
    """
    from sklearn.metrics import confusion_matrix, roc_auc_score

    p, t = np.concatenate(p_sing), np.concatenate(truth).astype(bool)
    counts = confusion_matrix(t, is_sing(p, threshold), labels=[False, True])
    (true_negative, false_positive), (false_negative, true_positive) = counts.tolist()
    return Scores(
        n_songs=len(p_sing),
        n_frames=len(t),
        n_sing=int(t.sum()),
        error=_share(false_positive + false_negative, len(t)),
        recall=_share(true_positive, true_positive + false_negative),
        specificity=_share(true_negative, true_negative + false_positive),
        precision=_share(true_positive, true_positive + false_positive),
        f1=_share(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        auroc=float(roc_auc_score(t, p)) if 0 < t.sum() < len(t) else float("nan"),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def mean_and_std(scores: Sequence[Scores]) -> dict[str, float]:
    """Return mean and standard deviation of each share over seeds, by column name.

    The standard deviation divides by n - 1 and is NaN for a single seed.
    """
    columns = {}
    for field in fields(Scores)[3:]:
        values = np.array([asdict(s)[field.name] for s in scores])
        columns[field.name] = float(values.mean())
        columns[f"{field.name}_std"] = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return columns
