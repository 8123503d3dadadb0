"""Results of attacks: one perturbation for a song or one for each excerpt (stage ``perturbations``).

The module requires only NumPy and h5py, so that tables can be computed without loading torch.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..jobs import store
from ..jobs.store import array, note


@dataclass(frozen=True, kw_only=True)
class SongAttack:
    """Perturbation of a whole song, with the predictions of the detector."""

    domain: str = note("waveform or spectrogram: the input to which delta is added")
    threshold: float = note("the decision is sing if P(sing) > threshold")
    start_seconds: float = note("start of the attacked part in the song, seconds")
    snr_db: float = note("energy of the clean input relative to that of delta, dB")
    delta_l2: float = note("Euclidean norm of delta")
    delta_max: float = note("largest absolute value of delta")
    delta: np.ndarray = array(
        "sample | padded_frame",
        "1 | bin",
        unit="full scale | linear magnitude",
        doc="the perturbation, float32",
    )
    clean_log_mel: np.ndarray = array(
        "padded_frame", "mel", unit="ln magnitude", doc="spectrogram with 57 frames of silence on both sides"
    )
    adversarial_log_mel: np.ndarray = array(
        "padded_frame", "mel", unit="ln magnitude", doc="spectrogram of the perturbed song, padded in the same way"
    )
    clean_logit: np.ndarray = array("frame", unit="logit", doc="logit of P(sing) of each frame of the song")
    adversarial_logit: np.ndarray = array("frame", unit="logit", doc="logit of P(sing) of each frame of the perturbed song")
    loss_history: np.ndarray = array("update", unit="1", doc="total loss before each update, and at the end")
    flipped_history: np.ndarray = array(
        "update", unit="frames", of=int, doc="number of flipped frames before each update, and at the end"
    )


@dataclass(frozen=True, kw_only=True)
class ExcerptAttack:
    """Perturbations of single excerpts (one per excerpt), with the predictions of the detector."""

    domain: str = note("waveform or spectrogram: the input to which delta is added")
    threshold: float = note("the decision is sing if P(sing) > threshold")
    start_seconds: float = note("start of the attacked part in the song, seconds")
    start_frame: np.ndarray = array("excerpt", unit="frames", of=int, doc="first frame of each excerpt in the attacked part")
    delta: np.ndarray = array(
        "excerpt", "sample | frame", "1 | bin", unit="full scale | linear magnitude", doc="the perturbations, float32"
    )
    snr_db: np.ndarray = array("excerpt", unit="dB", doc="energy of the clean input relative to that of delta")
    clean_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the clean excerpts")
    adversarial_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the perturbed excerpts")
    clean_logit: np.ndarray = array("excerpt", unit="logit", doc="logit of P(sing) of the clean excerpts")
    adversarial_logit: np.ndarray = array("excerpt", unit="logit", doc="logit of P(sing) of the perturbed excerpts")
    loss_history: np.ndarray = array("update", unit="1", doc="sum of the excerpts' losses before each update, and at the end")
    flipped_history: np.ndarray = array(
        "update", unit="excerpts", of=int, doc="number of flipped excerpts before each update, and at the end"
    )


@dataclass(frozen=True, kw_only=True)
class WindowAttack:
    """Attack on a user-supplied classifier, on a whole song or on each of its equidistant excerpts."""

    domain: str = note("input to which delta is added: waveform, or spectrogram for the representation of the classifier")
    scope: str = note("song: overlapping excerpts share a perturbation of the waveform; excerpt: each has its own")
    model: str = note("model.build, the classifier that was attacked")
    label: str = note("the label that is attacked and explained, against the rest")
    threshold: float = note("the label is predicted above this probability")
    start_seconds: float = note("start of the attacked part in the song, seconds")
    start_sample: np.ndarray = array("excerpt", unit="samples", of=int, doc="first sample of each excerpt in the attacked part")
    delta: np.ndarray = array(
        "item",
        "sample | excerpt frame",
        "1 | band | band part",
        unit="full scale | the representation's",
        doc="the perturbations, float32; complex ones as real and imaginary part",
    )
    snr_db: np.ndarray = array("item", unit="dB", doc="energy of the clean input relative to that of delta")
    clean: np.ndarray = array(
        "excerpt", "frame", "band", unit="the classifier's", of=complex, doc="representations of the clean excerpts"
    )
    adversarial: np.ndarray = array(
        "excerpt", "frame", "band", unit="the classifier's", of=complex, doc="representations of the perturbed excerpts"
    )
    clean_logit: np.ndarray = array("excerpt", unit="logit", doc="logit of the label against the rest")
    adversarial_logit: np.ndarray = array("excerpt", unit="logit", doc="logit of the label against the rest")
    loss_history: np.ndarray = array("update", unit="1", doc="sum of the items' losses before each update, and at the end")
    flipped_history: np.ndarray = array(
        "update", unit="excerpts", of=int, doc="number of flipped excerpts before each update, and at the end"
    )


def read_attack(path: str | os.PathLike) -> SongAttack | ExcerptAttack | WindowAttack:
    """Read the result of an attack of any kind.

    Parameters
    ----------
    path : path-like
        File of the stage ``perturbations``.

    Returns
    -------
    SongAttack or ExcerptAttack or WindowAttack
        The result.

    Raises
    ------
    ArtefactError
        If the file cannot be read.
    """
    kinds: dict[str, type[Any]] = {kind.__name__: kind for kind in (SongAttack, ExcerptAttack, WindowAttack)}
    return store.read(path, kinds.get(str(store.read_attributes(path)["artefact"]), SongAttack))
