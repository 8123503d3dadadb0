"""Predictions of a detector for songs and excerpts, and its decision threshold (stage ``predictions``).

torch is imported inside functions, so that tables can read `Predictions` without it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, NumericalError, one_of
from ..jobs.store import array, note
from ..songs.splits import SPLITS
from .decisions import probability
from .evaluation import Scores, score, smooth, tune_threshold, unscored

if TYPE_CHECKING:
    from torch import Tensor

    from ..songs.frontend import FrontEnd
    from ..songs.spectra import Spectrogram
    from .network import Network

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SongPrediction:
    """Frame-wise predictions of a detector for one song."""

    split: str = note("train, valid or test")
    logit: np.ndarray = array("frame", unit="logit", doc="logit of P(sing) without the median filter")
    p_sing_smooth: np.ndarray = array("frame", unit="probability", doc="P(sing) after the median filter")
    is_sing: np.ndarray | None = array(
        "frame", unit="1", of=bool, doc="whether the label is sing; missing without labels", optional=True
    )


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of one detector for the songs on which it was not trained."""

    detector: str = note("name of the detector")
    threshold: float = note("the decision is sing if P(sing) > threshold")
    threshold_source: str = note("given, the checkpoint's own, or tuned on N validation songs")
    songs: dict[str, SongPrediction] = note("one group per song")


def predict_frames(network: "Network", spectrogram: "Spectrogram", frontend: "FrontEnd") -> np.ndarray:
    """Return the logit of P(sing) for the excerpt around each frame of a song.

    Parameters
    ----------
    network : Network
        The trained detector.
    spectrogram : Spectrogram
        Spectrogram of the song.
    frontend : FrontEnd
        Front end of the detector.

    Returns
    -------
    ndarray, shape (n_frames,), float32
        Logit of P(sing), not smoothed.
    """
    import torch

    from ..songs.spectra import padded_log_mel
    from .network import dense_in_chunks

    with torch.inference_mode():
        padded = padded_log_mel(spectrogram, frontend).to(network.device)
        return dense_in_chunks(network, padded).cpu().numpy()


def predict_songs(
    network: "Network",
    spectrograms: "Iterable[Spectrogram]",
    frontend: "FrontEnd",
    *,
    detector: str,
    median_frames: int,
    threshold: float | None,
    checkpoint_threshold: float | None = None,
) -> Predictions:
    """Predict songs, and tune the threshold on the validation songs unless it is given.

    Parameters
    ----------
    network : Network
        The trained detector.
    spectrograms : iterable of Spectrogram
        Spectrograms of validation and test songs.
    frontend : FrontEnd
        Front end of the detector.
    detector : str
        Name of the detector.
    median_frames : int
        Width of the median filter in frames.
    threshold : float or None
        Threshold from the configuration, which takes precedence.
    checkpoint_threshold : float or None
        Threshold from the checkpoint, used if `threshold` is None. If both are None, the threshold is tuned.

    Returns
    -------
    Predictions
        Predictions of all songs with the threshold and its source.

    Raises
    ------
    ConfigError
        If the threshold must be tuned and the validation songs do not allow it.
    NumericalError
        If a logit is not finite.
    """
    songs = {}
    for spectrogram in spectrograms:
        logit = predict_frames(network, spectrogram, frontend)
        if not np.isfinite(logit).all():
            raise NumericalError(
                f"{detector}: must return finite logits for {spectrogram.song}, got {np.count_nonzero(~np.isfinite(logit))} of "
                f"{len(logit)} that are not finite. Give a checkpoint with trained weights."
            )
        smoothed = smooth(probability(logit), frames=median_frames)
        songs[spectrogram.song] = SongPrediction(
            split=spectrogram.split, logit=logit, p_sing_smooth=smoothed, is_sing=spectrogram.is_sing
        )
    source = "given"
    if threshold is None and checkpoint_threshold is not None:
        threshold, source = checkpoint_threshold, "the checkpoint's own"
    elif threshold is not None and checkpoint_threshold not in (None, threshold):
        log.warning(
            "detector.threshold: does not match the checkpoint's %g, got %g, which is used", checkpoint_threshold, threshold
        )
    if threshold is None:
        valid = [song for song in songs.values() if song.split == "valid" and song.is_sing is not None]
        if not valid:
            raise ConfigError("detector.threshold: no labelled validation songs to tune it on. Set it.")
        threshold = tune_threshold(
            *(np.concatenate(x) for x in zip(*((s.p_sing_smooth, s.is_sing) for s in valid), strict=True))
        )
        source = f"tuned on {len(valid)} validation songs"
    return Predictions(detector=detector, threshold=threshold, threshold_source=source, songs=songs)


def score_split(predictions: Predictions, split: str) -> Scores | None:
    """Score the labelled songs of one split.

    Parameters
    ----------
    predictions : Predictions
        Predictions of a detector.
    split : {"train", "valid", "test"}
        Split of the corpus.

    Returns
    -------
    Scores or None
        Scores with 0 frames if no song has labels; None if the split has no songs.
    """
    one_of(split, SPLITS, "split")
    songs = [song for song in predictions.songs.values() if song.split == split]
    labelled = [(song.p_sing_smooth, song.is_sing) for song in songs if song.is_sing is not None]
    if songs and not labelled:
        return unscored(len(songs))
    return score([p for p, _ in labelled], [labels for _, labels in labelled], predictions.threshold) if labelled else None


def predict_excerpts(
    excerpts: "np.ndarray | Tensor", predict_logits: "Callable[[Tensor], Tensor]", *, batch: int = 128
) -> np.ndarray:
    """Return P(sing) of many excerpts.

    Parameters
    ----------
    excerpts : ndarray or Tensor, shape (n_excerpts, n_frames, n_mels)
        Log-mel excerpts, not standardised.
    predict_logits : callable
        Function from excerpts, Tensor of the same shape, to logits, Tensor of shape (n_excerpts,).
    batch : int
        Number of excerpts per forward pass, 128 by default.

    Returns
    -------
    ndarray, shape (n_excerpts,), float64
        P(sing) of each excerpt.
    """
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(excerpts), batch):
            part = excerpts[start : start + batch]  # copied: a model may work in place; torch needs contiguous writable memory
            copied = part.clone() if isinstance(part, torch.Tensor) else torch.as_tensor(part.copy())
            parts.append(predict_logits(copied).cpu().numpy())
    return probability(np.concatenate(parts)) if parts else np.zeros(0)
