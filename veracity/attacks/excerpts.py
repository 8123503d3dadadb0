"""Random selection of adversarial excerpts (paper sections 4.3 and 5).

An excerpt qualifies if the decisions on its clean and its adversarial version differ. Excerpts are drawn without replacement
and are completely inside the attacked part of the song. The flip of each drawn excerpt is verified on the arrays that are
stored.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..detector.decisions import Flip, flipped, is_sing, probability
from ..detector.predictions import predict_excerpts
from ..errors import ConfigError
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from ..labels import LABELS, SING, opposite
from .perturbations import ExcerptAttack, SongAttack, WindowAttack

if TYPE_CHECKING:
    from torch import Tensor

    from ..songs.frontend import FrontEnd

log = logging.getLogger(__name__)

SAME_ANSWER = 0.01  # largest difference in probability that another device or batch may cause
ATTACKED = "detector"  # name of the attacked detector in the field `model`


@dataclass(frozen=True, kw_only=True)
class Excerpts:
    """Random sample of the flipped excerpts of one song."""

    domain: str = note("domain of the perturbation: waveform or spectrogram")
    scope: str = note("song: one perturbation per song (the paper); excerpt: one per excerpt")
    model: str = note("the model that is explained: `detector`, which was attacked, or module:callable")
    attacked: str = note("the model that was attacked: `detector`, or module:callable", default=ATTACKED)
    label: str = note("display name of `sing` in this file: the label that is explained against the rest", default=SING)
    threshold: float = note("threshold of the explained model; the decision is sing if P(sing) > threshold")
    start_seconds: float = note("start of the attacked part in the song, seconds")
    n: np.ndarray = array(
        "model",
        "label",
        unit="excerpts",
        of=int,
        doc="number of attacked excerpts by label (no sing, sing), for the attacked model and for the explained one",
    )
    n_flipped: np.ndarray = array(
        "model", "label", unit="excerpts", of=int, doc="number of these excerpts that the attack flipped"
    )
    start_frame: np.ndarray = array(
        "excerpt",
        unit="frames",
        of=int,
        doc="first frame of each excerpt in the attacked part, or index of the excerpt if model.build is set",
    )
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    clean: np.ndarray = array(
        "excerpt",
        "frame",
        "band",
        unit="ln magnitude | the model's",
        of=complex,
        doc="clean excerpts in the representation of the model, which is log-mel for the detector",
    )
    adversarial: np.ndarray = array(
        "excerpt",
        "frame",
        "band",
        unit="ln magnitude | the model's",
        of=complex,
        doc="perturbed excerpts in the same representation",
    )
    clean_p: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the clean excerpts")
    adversarial_p: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the perturbed excerpts")

    @property
    def flips(self) -> list[Flip]:
        """Explained label of each excerpt, which is that of the adversarial excerpt, with the threshold."""
        return [Flip(opposite(original), self.threshold) for original in self.original]

    def first(self, per_direction: int) -> np.ndarray:
        """Return the indices of the first excerpts of each direction, shape (at most 2 * per_direction,)."""
        return np.sort(np.concatenate([np.flatnonzero(self.original == label)[:per_direction] for label in LABELS]))


@dataclass(frozen=True)
class _Decisions:
    """Decisions of a model on clean excerpts, and whether the attack has flipped them."""

    was_sing: np.ndarray
    flipped: np.ndarray

    @classmethod
    def of(cls, p_clean: np.ndarray, p_adversarial: np.ndarray, threshold: float) -> "_Decisions":
        was_sing = is_sing(p_clean, threshold)
        return cls(was_sing, flipped(p_adversarial, threshold, was_sing))

    def drawn(self, label: str, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of at most `n` random excerpts whose decision was `label` and has flipped, in increasing order."""
        candidates = np.flatnonzero(self.flipped & (self.was_sing == (label == SING)))
        return np.sort(rng.choice(candidates, size=min(n, len(candidates)), replace=False))


def pick_excerpts(
    attack: SongAttack | ExcerptAttack | WindowAttack,
    predict_logits: "Callable[[Tensor], Tensor]",
    frontend: "FrontEnd | None",
    *,
    threshold: float,
    n_per_direction: int,
    seed: int,
    song: str,
    model: str = "",
) -> Excerpts:
    """Draw random excerpts whose label was flipped.

    The attack stores the logits of all excerpts. If the attacked detector is explained, these logits determine which excerpts
    are flipped, and only the drawn excerpts are predicted again. This takes a hundredth of the time of predicting all excerpts.

    Parameters
    ----------
    attack : SongAttack or ExcerptAttack or WindowAttack
        Result of the attack.
    predict_logits : callable
        Explained model: function from excerpts, shape (n, n_frames, n_mels), to logits, shape (n,).
    frontend : FrontEnd or None
        Front end of the attacked detector; None for a user-supplied classifier.
    threshold : float
        Decision threshold of the explained model.
    n_per_direction : int
        Largest number of excerpts for each direction.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generator is derived.
    model : str
        Name of the explained model if it is not the attacked one; empty by default. Excerpts are then drawn from those whose
        label is flipped for this model.

    Returns
    -------
    Excerpts
        The drawn excerpts.

    Raises
    ------
    ConfigError
        If the predictions of a user-supplied classifier differ from those during the attack.
    """
    attacked_excerpts = _attacked_excerpts(attack, frontend)
    clean, adversarial = attacked_excerpts.clean, attacked_excerpts.adversarial
    p = attacked_excerpts.p_clean, attacked_excerpts.p_adversarial
    # Decisions of the attacked model and, if another model is explained, of that one.
    decisions = [_Decisions.of(*p, attack.threshold if model else threshold)]
    if model:
        p = predict_excerpts(clean, predict_logits), predict_excerpts(adversarial, predict_logits)
        decisions.append(_Decisions.of(*p, threshold))
    attacked, explained = decisions[0], decisions[-1]
    attacked_model = attack.model if isinstance(attack, WindowAttack) else ATTACKED
    picks = [explained.drawn(label, n_per_direction, rng_for(seed, "excerpts", attack.domain, song, label)) for label in LABELS]
    picked = np.concatenate(picks)
    was_sing = explained.was_sing[picked]
    picked_clean, picked_adversarial = np.ascontiguousarray(clean[picked]), np.ascontiguousarray(adversarial[picked])
    p_clean, p_adversarial = (predict_excerpts(x, predict_logits) for x in (picked_clean, picked_adversarial))
    if isinstance(attack, WindowAttack):
        before = probability(attack.adversarial_logit[picked])
        check_same_answers(p_adversarial, before, attack.model, "when it was attacked", "perturbations")
    if not len(picked):
        _warn(attack.domain, attacked, song, model, is_silent=np.ptp(np.abs(clean)) == 0 if len(clean) else False)
    verified = (is_sing(p_clean, threshold) == was_sing) & flipped(p_adversarial, threshold, was_sing)
    return Excerpts(
        domain=attack.domain,
        scope=attack.scope if isinstance(attack, WindowAttack) else "song" if isinstance(attack, SongAttack) else "excerpt",
        label=attack.label if isinstance(attack, WindowAttack) else SING,
        model=model or attacked_model,
        attacked=attacked_model,
        threshold=threshold,
        start_seconds=attack.start_seconds,
        n=np.array([np.bincount(of_model.was_sing, minlength=2) for of_model in decisions]),
        n_flipped=np.array([np.bincount(of_model.was_sing[of_model.flipped], minlength=2) for of_model in decisions]),
        start_frame=attacked_excerpts.starts[picked][verified],
        original=np.repeat(LABELS, [len(pick) for pick in picks])[verified],
        clean=picked_clean[verified],
        adversarial=picked_adversarial[verified],
        clean_p=p_clean[verified],
        adversarial_p=p_adversarial[verified],
    )


def check_same_answers(now: np.ndarray, before: np.ndarray, model: str, when: str, stage: str) -> None:
    """Check that a model predicts the same probabilities as before.

    Parameters
    ----------
    now, before : ndarray, shape (n,)
        Current and previous probabilities of the same excerpts.
    model : str
        Name of the model.
    when : str
        Time of the previous prediction, as a clause for the error message.
    stage : str
        Stage that must be repeated if the probabilities differ.

    Raises
    ------
    ConfigError
        If a difference exceeds `SAME_ANSWER`.
    """
    worst = int(np.abs(now - before).argmax()) if len(now) else 0
    if len(now) and not abs(now[worst] - before[worst]) <= SAME_ANSWER:
        raise ConfigError(
            f"{model}: P(sing) of an excerpt must be {before[worst]:.4f}, as {when}, got {now[worst]:.4f}. "
            f"Load the same weights each time, draw no random numbers, and restart with --forcerun {stage}."
        )


def _warn(domain: str, attacked: _Decisions, song: str, model: str, *, is_silent: bool) -> None:
    """Log a warning with the reason why a song has no adversarial excerpts, and the cure."""
    n_flipped = int(attacked.flipped.sum())
    nothing = "so tables and figures do not include the song"
    if n_flipped:
        what = f"the {domain} attack has flipped {n_flipped} excerpts for the detector but none for {model}"
        cure = "Explain the attacked detector (model.predict: null), or a model that its perturbations fool"
    elif is_silent:
        what, cure = f"the attacked part is silent, and the {domain} attack has flipped no excerpt", "Leave the song out"
    else:
        what = f"the {domain} attack has flipped no excerpt"
        cure = f"Raise attacks.{domain}.max_updates or attacks.{domain}.eps"
    log.warning("%s: %s, %s. %s.", song, what, nothing, cure)


@dataclass(frozen=True)
class _AttackedExcerpts:
    """Excerpts of an attack that do not extend into padded silence, with the probabilities of the attacked model."""

    starts: np.ndarray
    clean: np.ndarray
    adversarial: np.ndarray
    p_clean: np.ndarray
    p_adversarial: np.ndarray


def _attacked_excerpts(attack: SongAttack | ExcerptAttack | WindowAttack, frontend: "FrontEnd | None") -> _AttackedExcerpts:
    first = 0
    if isinstance(attack, WindowAttack):
        starts, clean, adversarial = np.arange(len(attack.start_sample)), attack.clean, attack.adversarial
    elif isinstance(attack, ExcerptAttack):
        starts, clean, adversarial = attack.start_frame, attack.clean_log_mel, attack.adversarial_log_mel
    else:
        assert frontend is not None
        clean, adversarial = (_inner_excerpts(x, frontend) for x in (attack.clean_log_mel, attack.adversarial_log_mel))
        starts, first = np.arange(len(clean)), frontend.half_excerpt  # index of the first excerpt without padded silence
    inner = slice(first, first + len(starts))
    p_clean, p_adversarial = (probability(x[inner]) for x in (attack.clean_logit, attack.adversarial_logit))
    return _AttackedExcerpts(starts, clean, adversarial, p_clean, p_adversarial)


def _inner_excerpts(padded: np.ndarray, frontend: "FrontEnd") -> np.ndarray:
    """Return all excerpts without padded silence as a view, shape (n_excerpts, n_frames, n_mels)."""
    inner = padded[frontend.half_excerpt : len(padded) - frontend.half_excerpt]
    return np.lib.stride_tricks.sliding_window_view(inner, frontend.excerpt_frames, axis=0).swapaxes(1, 2)
