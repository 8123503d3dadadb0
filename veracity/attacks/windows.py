"""Attacks on user-supplied classifiers, which use only the interface `veracity.classifiers.protocol.Classifier`.

The excerpts of a song are equidistant. In scope ``song`` they form the single item of an attack. On the waveform, overlapping
excerpts share the perturbation of their common samples. In the domain ``spectrogram``, each excerpt has a
separate perturbation. The attack then differs from scope ``excerpt`` in that all excerpts are updated until all are flipped,
and in that `alpha` weights the mean of their losses instead of each loss.
"""

import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..classifiers.building import trial_excerpts
from ..classifiers.protocol import OneLabel
from ..errors import ConfigError, one_of
from ..jobs.devices import tf32
from ..jobs.resuming import SavedState
from .attacked import Attacked, attack
from .minimiser import Resumable
from .perturbations import WindowAttack
from .settings import DOMAINS, AttackSettings, Domain

BATCH = 32  # excerpts in one forward pass


class _Windows(Attacked):
    """Excerpts of a song, as a single item or as one item each; complex representations are stored as pairs of real numbers."""

    def __init__(self, audio: np.ndarray, starts: np.ndarray, model: OneLabel, domain: Domain, scope: str) -> None:
        self.model, self.domain, self.as_one = model, domain, scope == "song"
        self.n, self.size = len(starts), model.classifier.excerpt_samples
        samples = torch.as_tensor(audio)
        self.slices = [slice(int(start), int(start) + self.size) for start in starts]
        windows = torch.stack([samples[part] for part in self.slices])
        with torch.no_grad():
            parts = [model.representation(part) for part in windows.split(BATCH)]
        self.is_complex = parts[0].is_complex()
        if domain == "waveform":
            self.clean = samples[None] if self.as_one else windows
        else:
            represented = torch.cat(parts)
            represented = torch.view_as_real(represented) if self.is_complex else represented
            self.clean = represented[None] if self.as_one else represented

    def _represented(self, x: Tensor, part: range) -> Tensor:
        """Return the representations of the excerpts `part`, computed from perturbed inputs."""
        if self.domain == "waveform":
            taken = torch.stack([x[0, self.slices[i]] for i in part]) if self.as_one else x[part.start : part.stop]
            return self.model.representation(taken)
        taken = (x[0] if self.as_one else x)[part.start : part.stop]
        return torch.view_as_complex(taken.contiguous()) if self.is_complex else taken

    def _parts(self) -> list[range]:
        return [range(start, min(start + BATCH, self.n)) for start in range(0, self.n, BATCH)]

    def _by_item(self, logits: Tensor) -> Tensor:
        return logits[None] if self.as_one else logits[:, None]

    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        part_target = target.flatten()
        x = (self.clean + delta).requires_grad_()
        grad, logits = torch.zeros_like(self.clean), []
        for part in self._parts():
            answer = self.model.logit(self._represented(x, part)).to(x.dtype)
            entropy = functional.binary_cross_entropy_with_logits(answer, part_target[part.start : part.stop], reduction="sum")
            grad += torch.autograd.grad(entropy, x)[0]
            logits.append(answer.detach())
        return self._by_item(torch.cat(logits)), grad * (alpha / (self.n if self.as_one else 1))

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), tf32(allowed=False):
            represented = [self._represented(x, part) for part in self._parts()]
            logits = torch.cat([self.model.logit(part) for part in represented]).to(x.dtype)
        frames = torch.cat(represented)
        return self._by_item(logits), frames[None] if self.as_one else frames

    def stored(self, delta: Tensor) -> np.ndarray:
        """Return the perturbations, shape (n_items, n_samples, 1) or (n_items, [n_excerpts *] n_frames, n_bands [* 2])."""
        n_last = 1 if self.domain == "waveform" else delta.shape[-1] * (delta.shape[-2] if self.is_complex else 1)
        return delta.cpu().numpy().reshape(len(delta), -1, n_last)


def _answers(model: OneLabel) -> list[float]:
    """Return the logits of the trial excerpts, which identify the model of a saved state."""
    audio = trial_excerpts(model.classifier.excerpt_samples)
    with torch.no_grad():
        return [round(float(logit), 3) for logit in model.logit(model.representation(audio))]


def attack_windows(
    audio: np.ndarray,
    model: OneLabel,
    settings: AttackSettings,
    *,
    name: str,
    domain: Domain,
    scope: str,
    hop_seconds: float,
    saved: SavedState | None = None,
) -> WindowAttack:
    """Attack excerpts of a song until all decisions are flipped or the limits of `settings` are reached.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song at the sample rate of the classifier.
    model : OneLabel
        Attacked classifier with its label.
    settings : AttackSettings
        Settings of the attack, in the unit of the domain. For complex representations, `eps` limits the real and the imaginary
        part separately.
    name : str
        Name under which the classifier is recorded.
    domain : {"waveform", "spectrogram"}
        Domain of the perturbation; "spectrogram" is the representation of the classifier.
    scope : {"song", "excerpt"}
        Whether the excerpts are attacked together or separately.
    hop_seconds : float
        Distance between the starts of excerpts in seconds.
    saved : SavedState, optional
        Saved state from which the attack resumes. The caller removes it after writing the result.

    Returns
    -------
    WindowAttack
        Result of the attack. Its field `start_seconds` is 0, the start of `audio`.

    Raises
    ------
    ConfigError
        If the audio is shorter than one excerpt, or `domain`, `scope` or the precision is invalid.
    NumericalError
        If the loss is not finite.

    Notes
    -----
    Differs from the paper: the paper attacks its own detector, whose excerpts share their frames.
    """
    one_of(domain, DOMAINS, "domain")
    one_of(scope, ("song", "excerpt"), "scope")
    if settings.precision != "float32":
        raise ConfigError(
            f"attacks.{domain}.precision: must be float32 for a classifier, got {settings.precision}. Set it to float32."
        )
    starts = _starts(len(audio), model, hop_seconds, name)
    windows = _Windows(audio, starts, model, domain, scope)
    identity: dict[str, Any] = {
        "domain": domain,
        "scope": scope,
        "model": name,
        "label": model.label,
        "hop": float(hop_seconds),
        "answers": _answers(model),
        "audio": zlib.crc32(np.ascontiguousarray(audio).data),
    }
    resumable = Resumable(f"{domain} attack on {name}", saved or SavedState(), identity)
    result = attack(windows, settings, threshold=model.decision, resumable=resumable)
    represented = [x.reshape(windows.n, *x.shape[-2:]).cpu().numpy() for x in (result.clean_frames, result.adversarial_frames)]
    return WindowAttack(
        domain=domain,
        scope=scope,
        model=name,
        label=model.label,
        threshold=model.decision,
        start_seconds=0.0,
        start_sample=starts.astype(np.int64),
        delta=windows.stored(result.delta),
        snr_db=result.snr_db.cpu().numpy(),
        clean=represented[0],
        adversarial=represented[1],
        clean_logit=result.clean_logits.flatten().cpu().numpy(),
        adversarial_logit=result.adversarial_logits.flatten().cpu().numpy(),
        loss_history=result.loss_history,
        flipped_history=result.flipped_history,
    )


def _starts(n_samples: int, model: OneLabel, hop_seconds: float, name: str) -> np.ndarray:
    """Return the first sample of each excerpt, shape (n_excerpts,)."""
    rate, size = model.classifier.sample_rate, model.classifier.excerpt_samples
    starts = np.arange(0, n_samples - size + 1, max(1, round(hop_seconds * rate)))
    if not len(starts):
        raise ConfigError(
            f"attacks.seconds: shorter than an excerpt of {name} ({size / rate:.2f} s), got {n_samples / rate:.2f} s. "
            "Raise it, or leave the song out."
        )
    return starts
