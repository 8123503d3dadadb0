"""Picking adversarial excerpts at random (paper sections 4.3 and 5).

An excerpt qualifies when the detector's decisions on its clean and on its adversarial version differ. Picks are without
replacement, wholly inside the attacked part of the song, and every pick is verified once more on the very arrays that are kept.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..detector.decisions import flipped, is_sing, probability
from ..detector.predictions import predict_excerpts
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from ..labels import LABELS, Label, opposite
from .perturbations import ExcerptAttack, SongAttack

if TYPE_CHECKING:
    from torch import Tensor

    from ..songs.frontend import FrontEnd

log = logging.getLogger(__name__)

ATTACKED = "detector"  # name of the attacked model among the models that are explained


@dataclass(frozen=True, kw_only=True)
class Excerpts:
    """Excerpts of one song whose label an attack has flipped, picked at random."""

    domain: str = note("waveform or spectrogram: what the attack perturbed")
    scope: str = note("song: one perturbation for the song (the paper); excerpt: one for each excerpt")
    model: str = note("the model that is explained: `detector`, which was attacked, or module:callable")
    threshold: float = note("of the explained model: sing is P(sing) > threshold")
    start_seconds: float = note("where the attacked part begins in the song, seconds")
    n_nosing: int = note("excerpts of the attacked part that were no sing to the explained model")
    n_sing: int = note("excerpts of the attacked part that were sing to the explained model")
    n_nosing_flipped: int = note("of the no-sing excerpts, how many the attack turned to sing")
    n_sing_flipped: int = note("of the sing excerpts, how many the attack turned to no sing")
    detector_n_nosing: int = note("the same of the attacked detector, whatever model is explained: no sing")
    detector_n_sing: int = note("sing")
    detector_n_nosing_flipped: int = note("no sing turned to sing")
    detector_n_sing_flipped: int = note("sing turned to no sing")
    start_frame: np.ndarray = array("excerpt", unit="frames", of=int, doc="first frame of each excerpt in the attacked part")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    clean_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the clean excerpts")
    adversarial_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the perturbed excerpts")
    clean_p_sing: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the clean excerpts")
    adversarial_p_sing: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the perturbed excerpts")

    def target(self, excerpt: int) -> Label:
        """Return the label that the attack has given an excerpt."""
        return opposite(self.original[excerpt])

    def flipped(self, excerpt: int, p_sing: Any) -> Any:
        """Tell whether P(sing) lies on the other side of the threshold than the decision on the clean excerpt."""
        return flipped(p_sing, self.threshold, self.original[excerpt] == "sing")


@dataclass(frozen=True)
class _Decisions:
    """What a model decides on clean excerpts, and which decisions the attack has turned round."""

    was_sing: np.ndarray
    flipped: np.ndarray

    @classmethod
    def of(cls, p_clean: np.ndarray, p_adversarial: np.ndarray, threshold: float) -> "_Decisions":
        was_sing = is_sing(p_clean, threshold)
        return cls(was_sing, flipped(p_adversarial, threshold, was_sing))

    def counts(self, prefix: str = "") -> dict[str, int]:
        """Return the fields of `Excerpts` that count."""
        parts = {"nosing": ~self.was_sing, "sing": self.was_sing}
        return {
            **{f"{prefix}n_{label}": int(part.sum()) for label, part in parts.items()},
            **{f"{prefix}n_{label}_flipped": int((part & self.flipped).sum()) for label, part in parts.items()},
        }


def pick_excerpts(
    attack: SongAttack | ExcerptAttack,
    predict_logits: "Callable[[Tensor], Tensor]",
    frontend: "FrontEnd",
    *,
    threshold: float,
    n_per_direction: int,
    seed: int,
    song: str,
    model: str = "",
) -> Excerpts:
    """Pick excerpts whose label was flipped.

    Parameters
    ----------
    attack : SongAttack or ExcerptAttack
    predict_logits : callable
        The explained model: from excerpts, shape (n, n_frames, n_mels), to logits of shape (n,).
    frontend : FrontEnd
    threshold : float
        Of the explained model.
    n_per_direction : int
        At most so many of each direction; a song may deliver fewer, none is counted twice.
    seed : int
    song : str
        Names the random numbers.
    model : str
        Name of the explained model when it is not the detector that was attacked: then excerpts are those on which the
        perturbation works for this model too. For the attacked detector the logits kept with the attack tell which excerpts
        have flipped, at a hundredth of the cost of predicting each, and only the picks are predicted once more.
    """
    if isinstance(attack, SongAttack):
        starts, clean, adversarial = _inner_excerpts(attack, frontend)
    else:
        starts, clean, adversarial = attack.start_frame, attack.clean_log_mel, attack.adversarial_log_mel
    offset = frontend.half_excerpt if isinstance(attack, SongAttack) else 0  # of the first excerpt without silence
    kept = slice(offset, offset + len(starts))
    p_clean, p_adversarial = (probability(x[kept]) for x in (attack.clean_logit, attack.adversarial_logit))
    attacked = explained = _Decisions.of(p_clean, p_adversarial, attack.threshold if model else threshold)
    if model:
        p_clean, p_adversarial = (predict_excerpts(x, predict_logits) for x in (clean, adversarial))
        explained = _Decisions.of(p_clean, p_adversarial, threshold)
    picks = []
    for label in LABELS:
        candidates = np.flatnonzero(explained.flipped & (explained.was_sing == (label == "sing")))
        rng = rng_for(seed, "excerpts", attack.domain, song, label)
        picks.append(np.sort(rng.choice(candidates, size=min(n_per_direction, len(candidates)), replace=False)))
    chosen = np.concatenate(picks)
    was_sing = explained.was_sing[chosen]
    kept_clean, kept_adversarial = np.ascontiguousarray(clean[chosen]), np.ascontiguousarray(adversarial[chosen])
    p_clean, p_adversarial = predict_excerpts(kept_clean, predict_logits), predict_excerpts(kept_adversarial, predict_logits)
    if not len(chosen):
        _warn(attack, attacked, song, model)
    verified = (is_sing(p_clean, threshold) == was_sing) & flipped(p_adversarial, threshold, was_sing)
    return Excerpts(
        domain=attack.domain,
        scope="song" if isinstance(attack, SongAttack) else "excerpt",
        model=model or ATTACKED,
        threshold=threshold,
        start_seconds=attack.start_seconds,
        **explained.counts(),
        **attacked.counts("detector_"),
        start_frame=starts[chosen][verified],
        original=np.repeat(LABELS, [len(pick) for pick in picks])[verified],
        clean_log_mel=kept_clean[verified],
        adversarial_log_mel=kept_adversarial[verified],
        clean_p_sing=p_clean[verified],
        adversarial_p_sing=p_adversarial[verified],
    )


def _warn(attack: SongAttack | ExcerptAttack, attacked: _Decisions, song: str, model: str) -> None:
    """Say why a song delivers no excerpt, and what helps."""
    n_flipped, domain = int(attacked.flipped.sum()), attack.domain
    nothing = "so the song adds nothing to tables and figures"
    if n_flipped:
        what = f"the {domain} attack has flipped {n_flipped} excerpts on the detector and none on {model}"
        cure = "explain the attacked detector (lime.predict: null), or a model that its perturbations fool"
    elif np.ptp(attack.clean_log_mel) == 0:
        what, cure = f"the attacked part is silent, and the {domain} attack has flipped no excerpt", "leave the song out"
    else:
        what = f"the {domain} attack has flipped no excerpt"
        cure = f"raise attacks.{domain}.max_updates or attacks.{domain}.eps"
    log.warning("%s: %s, %s: %s", song, what, nothing, cure)


def _inner_excerpts(attack: SongAttack, frontend: "FrontEnd") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first frames, clean and adversarial views of all excerpts that hold no silence from outside the song."""
    half = frontend.half_excerpt

    def views(padded: np.ndarray) -> np.ndarray:
        inner = padded[half : len(padded) - half]
        return np.lib.stride_tricks.sliding_window_view(inner, frontend.excerpt_frames, axis=0).swapaxes(1, 2)

    clean = views(attack.clean_log_mel)  # (n_excerpts, n_frames, n_mels), no copy
    return np.arange(len(clean)), clean, views(attack.adversarial_log_mel)
