"""Picking adversarial excerpts at random (paper sections 4.3 and 5).

An excerpt qualifies when the detector's decisions on its clean and on its adversarial version differ. Picks are without
replacement, wholly inside the attacked part of the song, and every pick is verified once more on the very arrays that are kept.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .artefacts import ExcerptAttack, Excerpts, SongAttack
from .decisions import LABELS, flipped, is_sing
from .frontend import FrontEnd
from .games import probability
from .seeds import rng_for

log = logging.getLogger(__name__)


def pick_excerpts(
    attack: SongAttack | ExcerptAttack,
    predict_logits: Callable[[Tensor], Tensor],
    frontend: FrontEnd,
    *,
    threshold: float,
    n_per_direction: int,
    seed: int,
    song: str,
    is_attacked_model: bool = False,
) -> Excerpts:
    """Pick excerpts whose label was flipped.

    Parameters
    ----------
    attack : SongAttack or ExcerptAttack
    predict_logits : callable
        The explained model: from excerpts, shape (n, n_frames, n_mels), to logits of shape (n,). When it is not the
        attacked detector, excerpts are those on which the perturbation works for this model too.
    frontend : FrontEnd
    threshold : float
        Of the explained model.
    n_per_direction : int
        At most so many of each direction; a song may deliver fewer, none is counted twice.
    seed : int
    song : str
        Names the random numbers.
    is_attacked_model : bool
        Whether `predict_logits` is the detector that was attacked: then the logits kept with the attack tell which excerpts
        have flipped, at a hundredth of the cost of predicting each, and only the picks are predicted once more.
    """
    if isinstance(attack, SongAttack):
        starts, clean, adversarial = _inner_excerpts(attack, frontend)
    else:
        starts, clean, adversarial = attack.start_frame, attack.clean_log_mel, attack.adversarial_log_mel
    if is_attacked_model:
        offset = frontend.half_excerpt if isinstance(attack, SongAttack) else 0  # of the first excerpt without silence
        kept = slice(offset, offset + len(starts))
        p_clean, p_adversarial = (probability(x[kept]) for x in (attack.clean_logit, attack.adversarial_logit))
    else:
        p_clean, p_adversarial = (_predict(x, predict_logits) for x in (clean, adversarial))
    was_sing = is_sing(p_clean, threshold)
    has_flipped = flipped(p_adversarial, threshold, was_sing)
    picks = []
    for label in LABELS:
        candidates = np.flatnonzero(has_flipped & (was_sing == (label == "sing")))
        rng = rng_for(seed, "excerpts", attack.domain, song, label)
        picks.append(np.sort(rng.choice(candidates, size=min(n_per_direction, len(candidates)), replace=False)))
    chosen = np.concatenate(picks)
    kept_clean, kept_adversarial = np.ascontiguousarray(clean[chosen]), np.ascontiguousarray(adversarial[chosen])
    p_clean, p_adversarial = _predict(kept_clean, predict_logits), _predict(kept_adversarial, predict_logits)
    if not len(chosen):
        log.warning(
            "%s: the %s attack has flipped no excerpt, so the song adds nothing to tables and figures: "
            "raise attacks.%s.max_updates or attacks.%s.eps",
            *(song, attack.domain, attack.domain, attack.domain),
        )
    verified = (is_sing(p_clean, threshold) == was_sing[chosen]) & flipped(p_adversarial, threshold, was_sing[chosen])
    return Excerpts(
        domain=attack.domain,
        scope="song" if isinstance(attack, SongAttack) else "excerpt",
        threshold=threshold,
        start_seconds=attack.start_seconds,
        n_nosing=int((~was_sing).sum()),
        n_sing=int(was_sing.sum()),
        n_nosing_flipped=int((has_flipped & ~was_sing).sum()),
        n_sing_flipped=int((has_flipped & was_sing).sum()),
        start_frame=starts[chosen][verified],
        original=np.repeat(LABELS, [len(pick) for pick in picks])[verified],
        clean_log_mel=kept_clean[verified],
        adversarial_log_mel=kept_adversarial[verified],
        clean_p_sing=p_clean[verified],
        adversarial_p_sing=p_adversarial[verified],
    )


def _inner_excerpts(attack: SongAttack, frontend: FrontEnd) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first frames, clean and adversarial views of all excerpts that hold no silence from outside the song."""
    half = frontend.half_excerpt

    def views(padded: np.ndarray) -> np.ndarray:
        inner = padded[half : len(padded) - half]
        return np.lib.stride_tricks.sliding_window_view(inner, frontend.excerpt_frames, axis=0).swapaxes(1, 2)

    clean = views(attack.clean_log_mel)  # (n_excerpts, n_frames, n_mels), no copy
    return np.arange(len(clean)), clean, views(attack.adversarial_log_mel)


def _predict(excerpts: np.ndarray, predict_logits: Callable[[Tensor], Tensor], batch: int = 128) -> np.ndarray:
    """Return P(sing) of many excerpts, shape (n_excerpts,), float64."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(excerpts), batch):
            part = excerpts[start : start + batch].copy()  # whole and writable, as torch wants it
            parts.append(predict_logits(torch.as_tensor(part)).cpu().numpy())
    return probability(np.concatenate(parts)) if parts else np.zeros(0)
