"""Attacks on single excerpts of a song with one perturbation for each excerpt (scope ``excerpt``).

Differs from the paper: the paper perturbs whole songs, whose excerpts overlap. Attacking single excerpts is easier.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..detector.network import Network
from ..errors import ConfigError, one_of
from ..jobs.devices import tf32
from ..jobs.resuming import SavedState
from ..jobs.workers import Workers, workers
from ..songs.frontend import FrontEnd, excerpt_magnitudes, log_mel
from ..songs.settings import excerpt_windows
from ..songs.settings import inner_start_frames as inner_start_frames  # part of the interface of this scope
from .attacked import Attacked, attack, identity_of, of_updates
from .detector import AttackedDetector
from .minimiser import Resumable
from .perturbations import ExcerptAttack
from .settings import CPU_EXCERPTS, DOMAINS, AttackSettings, Domain, Precision


class AttackedExcerpts(Attacked):
    """Excerpts of a song as the items of an attack; values with a zero gradient are not perturbed.

    Parameters
    ----------
    windows : ndarray, shape (n_excerpts, n_samples)
        Samples of the excerpts.
    network : Network
        Attacked detector.
    frontend : FrontEnd
        Settings of the front end.
    domain : {"waveform", "spectrogram"}
        Domain of the perturbation.
    precision : {"float32", "tf32", "bfloat16"}
        Precision of the updates.
    threads : Workers
        Threads that process parts of the excerpts.
    allowed : ndarray of bool, shape (n_excerpts, n_frames, n_bins), or None
        Magnitudes that the attack may change; None for all.
    """

    def __init__(
        self,
        windows: np.ndarray,
        network: Network,
        frontend: FrontEnd,
        domain: Domain,
        precision: Precision,
        threads: Workers,
        allowed: np.ndarray | None,
    ) -> None:
        self.threads = threads
        self.at_once = CPU_EXCERPTS if network.device.type == "cpu" else len(windows)
        samples = torch.as_tensor(windows, device=network.device)
        self.domain, self.network, self.frontend = domain, network, frontend
        self.fast = of_updates(network, precision)
        self.clean = samples if domain == "waveform" else excerpt_magnitudes(samples, frontend)
        self.allowed = None if allowed is None else torch.as_tensor(allowed, device=network.device)

    def log_mel(self, x: Tensor) -> Tensor:
        """Return the log-mel frames of the excerpts, shape (n_excerpts, excerpt_frames, n_mels)."""
        return log_mel(excerpt_magnitudes(x, self.frontend) if self.domain == "waveform" else x, self.frontend)

    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """Return the logits and the gradient of the loss; see `Attacked.gradient`."""

        def of_some(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            x = part[0].detach().requires_grad_()
            logits = self.fast.logits(self.log_mel(x))[:, None]
            loss = functional.binary_cross_entropy_with_logits(logits, part[1], reduction="sum")
            return logits.detach(), torch.autograd.grad(alpha * loss, x)[0]

        parts = zip((self.clean + delta).split(self.at_once), target.split(self.at_once), strict=True)
        logits, grads = zip(*self.threads.map(of_some, list(parts)), strict=True)
        grad = torch.cat(grads)
        return torch.cat(logits), grad if self.allowed is None else grad.mul_(self.allowed)

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the log-mel frames in float32; see `Attacked.exact`."""

        def of_some(part: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():  # the gradient mode is separate for each thread
                frames = self.log_mel(part)
                return self.network.logits(frames)[:, None], frames

        with tf32(allowed=False):
            logits, frames = zip(*self.threads.map(of_some, x.split(self.at_once)), strict=True)
        return torch.cat(logits), torch.cat(frames)


def some_starts(n_samples: int, frontend: FrontEnd, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the start frames of random excerpts that are completely inside the audio.

    Parameters
    ----------
    n_samples : int
        Length of the audio in samples.
    frontend : FrontEnd
        Settings of the front end.
    n : int
        Number of excerpts. If the audio has fewer, all are returned.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of int, shape (at most n,)
        First frame of each excerpt, in increasing order.
    """
    starts = inner_start_frames(n_samples, frontend)
    return np.sort(rng.choice(starts, size=min(n, len(starts)), replace=False))


def attack_excerpts(
    audio: np.ndarray | Tensor,
    start_frames: np.ndarray,
    attacked: AttackedDetector,
    settings: AttackSettings,
    *,
    domain: Domain,
    saved: SavedState | None = None,
    threads: int | None = None,
    allowed: np.ndarray | None = None,
) -> ExcerptAttack:
    """Attack excerpts of a song with one perturbation for each excerpt.

    Parameters
    ----------
    audio : ndarray or Tensor, shape (n_samples,), float32
        Attacked part of the song.
    start_frames : ndarray of int, shape (n_excerpts,)
        First frame of each excerpt; see `inner_start_frames`.
    attacked : AttackedDetector
        Attacked detector with its front end and threshold.
    settings : AttackSettings
        Settings of the attack.
    domain : {"waveform", "spectrogram"}
        Domain of the perturbation: samples or linear magnitudes.
    saved : SavedState, optional
        Saved state from which the attack resumes. The caller removes it after writing the result.
    threads : int, optional
        Number of CPU threads, by default torch's number of threads. The result does not depend on it.
    allowed : ndarray of bool, shape (n_excerpts, n_frames, n_bins), optional
        Magnitudes that an attack on the spectrogram may change, all by default.

    Returns
    -------
    ExcerptAttack
        Perturbations after the last update. The field `start_seconds` is 0, the start of `audio`.

    Raises
    ------
    ConfigError
        If there are no excerpts, or `domain` is invalid.
    NumericalError
        If the loss is not finite.

    Notes
    -----
    Differs from the paper: each excerpt has a separate perturbation, whereas the paper perturbs whole songs.
    """
    one_of(domain, DOMAINS, "domain")
    if len(start_frames) == 0:
        raise ConfigError("attacks.scope: no excerpt is completely inside the audio. Set it to song, or leave the song out.")
    network, frontend = attacked.network, attacked.frontend
    audio = torch.as_tensor(audio).detach().cpu().numpy()
    windows = excerpt_windows(audio, start_frames, frontend)
    identity = {"domain": domain, **identity_of(windows, network, frontend)}
    with workers(threads, network.device) as of_excerpts:
        result = attack(
            AttackedExcerpts(windows, network, frontend, domain, settings.precision, of_excerpts, allowed),
            settings,
            threshold=attacked.threshold,
            resumable=Resumable(f"{domain} attack on excerpts", saved or SavedState(), identity),
        )
    delta = result.delta.cpu().numpy()
    return ExcerptAttack(
        domain=domain,
        threshold=attacked.threshold,
        start_seconds=0.0,
        start_frame=np.asarray(start_frames, dtype=np.int64),
        delta=delta.reshape(*delta.shape[:2], -1),
        snr_db=result.snr_db.cpu().numpy(),
        clean_log_mel=result.clean_frames.cpu().numpy(),
        adversarial_log_mel=result.adversarial_frames.cpu().numpy(),
        clean_logit=result.clean_logits[:, 0].cpu().numpy(),
        adversarial_logit=result.adversarial_logits[:, 0].cpu().numpy(),
        loss_history=result.loss_history,
        flipped_history=result.flipped_history,
    )
