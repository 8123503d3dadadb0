"""Adversarial perturbations with a known target: the attack of Carlini and Wagner (paper section 3).

The attack pushes the detector's decision on every frame to the opposite of its own. It minimises
``sum(delta**2) + alpha * mean(BCE(logit, target))`` and keeps ``delta`` within ``[-eps, eps]``. It works on the waveform or on
the linear magnitude spectrogram, and either finds one perturbation for a whole song (scope ``song``, the paper) or one for each
of some single excerpts (scope ``excerpt``: a different, easier problem, since the excerpts of a song overlap).

References
----------
N. Carlini and D. Wagner, "Audio adversarial examples", IEEE S&P Workshops 2019.
"""

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .artefacts import ExcerptAttack, SongAttack
from .decisions import flipped, is_sing
from .detector import Network
from .devices import tf32
from .errors import ConfigError
from .frontend import FrontEnd, excerpt_magnitudes, excerpt_samples, log_mel
from .perturbed import Magnitudes, Waveform
from .progress import Progress
from .resuming import SavedState
from .usage import give_back_free_memory

Domain = Literal["waveform", "spectrogram"]
DOMAINS: tuple[Domain, Domain] = ("waveform", "spectrogram")
GPU_LOOK_EVERY = 32  # updates between looks at whether all has flipped: each look makes the host wait
GIVE_BACK_EVERY = 10  # updates, so that memory stays that of a few


@dataclass(frozen=True)
class AttackSettings:
    """Settings of an attack; see `PAPER` for the published ones.

    Attributes
    ----------
    eps : float
        Largest change of a sample, or of a magnitude.
    eta : float
        Step size of an update, in the same unit.
    alpha : float
        Weight of the detector's loss against the squared norm of the perturbation.
    max_updates : int
        The attack stops earlier when every frame has flipped.
    update_rule : {"adam", "sign"}
        ``adam``: Adam with learning rate `eta` fed with the sign of the gradient, as the published implementation does.
        ``sign``: the paper's equation 2.
    precision : {"float32", "tf32", "bfloat16"}
        Of the detector's arithmetic during the updates; ``tf32`` is float32 but on a GPU. Whether everything has flipped,
        and what is kept at the end, is computed in float32 in any case.
    """

    eps: float
    eta: float
    alpha: float
    max_updates: int = 1000
    update_rule: Literal["adam", "sign"] = "adam"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.update_rule not in ("adam", "sign"):
            raise ConfigError(f"unknown update rule {self.update_rule!r}: choose adam or sign")
        if self.precision not in ("float32", "tf32", "bfloat16"):
            raise ConfigError(f"unknown precision {self.precision!r}: choose float32, tf32 or bfloat16")


PAPER: dict[Domain, AttackSettings] = {
    "waveform": AttackSettings(eps=0.01, eta=0.0003, alpha=2.0),
    "spectrogram": AttackSettings(eps=0.1, eta=0.0005, alpha=15.0),
}


@dataclass(frozen=True)
class _Found:
    delta: Tensor
    logits: Tensor
    was_sing: Tensor
    loss_history: np.ndarray
    flipped_history: np.ndarray


def minimise(
    delta: Tensor,
    gradient: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]],
    was_sing: Tensor,
    settings: AttackSettings,
    *,
    threshold: float,
    exact_logits: Callable[[Tensor], Tensor] | None = None,
    saved: SavedState | None = None,
    identity: dict[str, Any] | None = None,
    description: str = "attack",
) -> _Found:
    """Run the attack's updates on one or more independent perturbations.

    The forward pass of an update also tells whether the update before it has flipped everything.

    Parameters
    ----------
    delta : Tensor, shape (n_items, ...)
        Where to start.
    gradient : callable
        ``gradient(delta, target, alpha)`` returns logits, shape (n_items, n_frames), and the gradient, with the shape of
        `delta`, of ``alpha`` times the mean over frames of the binary cross-entropy with `target` (0 or 1). The gradient is
        overwritten.
    was_sing : Tensor of bool, shape (n_items, n_frames)
        The decisions to be turned round.
    settings : AttackSettings
    threshold : float
    exact_logits : callable, optional
        ``exact_logits(delta)`` returns logits in float32, where `gradient` computes in less; the last word on what has
        flipped.
    saved : SavedState, optional
        Where the state is saved now and then; the attack goes on from what is there. To be removed when its result is safe.
    identity : dict, optional
        What else than settings and threshold decides how the attack goes on: what is attacked, and how.
    description : str
        For the progress bar.
    """
    target = (~was_sing).float()
    delta = delta.clone()
    moments = (torch.zeros_like(delta), torch.zeros_like(delta))
    losses: list[Tensor] = []
    counts: list[Tensor] = []
    confirmed = torch.zeros(len(delta), dtype=torch.bool, device=delta.device)
    saved = saved or SavedState()
    kept = saved.restore({"attack": asdict(settings), "threshold": float(threshold), **(identity or {})})
    if kept is not None:
        for own, other in zip((delta, *moments, confirmed), kept["tensors"], strict=True):
            own.copy_(other)
        losses, counts = (list(kept[name].to(delta.device)) for name in ("losses", "counts"))
    first, look_every = len(losses), _look_every(delta.device)
    with Progress(settings.max_updates, description, done=first) as progress:
        for update in range(first, settings.max_updates + 1):
            logits, slope = gradient(delta, target, settings.alpha)
            has_flipped = flipped(torch.sigmoid(logits), threshold, was_sing)
            entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1).sum()
            losses.append((delta**2).sum() + settings.alpha * entropy)
            counts.append(has_flipped.sum())
            done = has_flipped.all(dim=1)
            if exact_logits is None:
                confirmed = done
            elif update % look_every == 0 and bool((done & ~confirmed).any()):
                confirmed = flipped(torch.sigmoid(exact_logits(delta)), threshold, was_sing).all(dim=1)
            if update == settings.max_updates or (update % look_every == 0 and bool(confirmed.all())):
                break
            # In place: a song's magnitudes are what an attack holds most of.
            step = _step(slope.add_(delta, alpha=2).sign_(), moments, update + 1, settings)
            moved = torch.sub(delta, step, out=step).clamp_(-settings.eps, settings.eps)
            delta = torch.where(confirmed.view(-1, *[1] * (delta.ndim - 1)), delta, moved)  # what has flipped stays as it is
            progress.advance()
            saved.save_when_due(partial(_state, (delta, *moments, confirmed), losses, counts))
            if update % GIVE_BACK_EVERY == 0 and delta.device.type == "cpu":
                give_back_free_memory()
    if exact_logits is not None:
        logits = exact_logits(delta)
        counts[-1] = flipped(torch.sigmoid(logits), threshold, was_sing).sum()
    history = torch.stack(losses).double().cpu().numpy(), torch.stack(counts).cpu().numpy()
    return _Found(delta, logits, was_sing, *history)


def _look_every(device: torch.device) -> int:
    return 1 if device.type == "cpu" else GPU_LOOK_EVERY


def _state(tensors: tuple[Tensor, ...], losses: list[Tensor], counts: list[Tensor]) -> dict[str, Any]:
    return {"tensors": list(tensors), "losses": torch.stack(losses), "counts": torch.stack(counts)}


def _step(sign: Tensor, moments: tuple[Tensor, Tensor], n_updates: int, settings: AttackSettings) -> Tensor:
    """Return what is subtracted from the perturbation; it may overwrite `sign`."""
    if settings.update_rule == "sign":
        return sign.mul_(settings.eta)
    # Adam with its usual constants, written out since the perturbations that have flipped must not move.
    mean, square = moments[0].lerp_(sign, 0.1), moments[1].lerp_(sign**2, 0.001)
    scale = (square / (1 - 0.999**n_updates)).sqrt_().add_(1e-8)
    return (mean / (1 - 0.9**n_updates)).mul_(settings.eta).div_(scale)


def attack_song(
    audio: np.ndarray,
    network: Network,
    frontend: FrontEnd,
    settings: AttackSettings,
    *,
    domain: Domain,
    threshold: float,
    start_seconds: float = 0.0,
    chunk_frames: int = 4096,
    saved: SavedState | None = None,
) -> SongAttack:
    """Find one perturbation that flips as many frames of a song as possible.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
    network : Network
        Its device does the work.
    frontend : FrontEnd
    settings : AttackSettings
    domain : {"waveform", "spectrogram"}
        ``spectrogram`` perturbs the linear magnitudes, with the silence before and after the song, as the published
        implementation does.
    threshold : float
        "sing" is P(sing) > threshold.
    start_seconds : float
        Where `audio` begins in its song; only recorded.
    chunk_frames : int
        Front end and detector are run on so many frames at a time, which bounds memory; the gradient is that of the whole.
    saved : SavedState, optional
        Where the state is saved now and then; the attack goes on from what is there. To be removed when its result is safe.

    Returns
    -------
    SongAttack
        Holds the last iterate.
    """
    samples = torch.as_tensor(audio, device=network.device)
    song = Waveform(samples, frontend) if domain == "waveform" else Magnitudes(samples, frontend)
    chunks, context = song.chunks(chunk_frames), frontend.excerpt_frames - 1
    fast = network.lowered(torch.bfloat16) if settings.precision == "bfloat16" else network

    def gradient(delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        x = song.extended(song.clean + delta[0])
        slope, logits = torch.zeros_like(x), []
        for first, last in chunks:
            seen = song.seen(first, last)
            leaf = x[seen].detach().requires_grad_()
            part = fast.dense_logits(song.log_mel(leaf, first, last))
            goal = target[0, first : last - context]
            entropy = functional.binary_cross_entropy_with_logits(part, goal, reduction="sum")
            slope[seen] += torch.autograd.grad(entropy, leaf)[0]
            logits.append(part.detach())
        return torch.cat(logits)[None], song.folded(slope * (alpha / song.n_excerpts))[None]

    def exact(x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, and the log-mel frames that they are computed from."""
        x = song.extended(x)
        with torch.no_grad(), tf32(allowed=False):
            frames = [song.log_mel(x[song.seen(*chunk)], *chunk) for chunk in chunks]
            logits = [network.dense_logits(part) for part in frames]
        return torch.cat(logits), torch.cat([*(part[:-context] for part in frames[:-1]), frames[-1]])

    clean_logits, clean_frames = exact(song.clean)
    was_sing = is_sing(torch.sigmoid(clean_logits), threshold)[None]
    with tf32(allowed=settings.precision == "tf32"):
        found = minimise(
            torch.zeros_like(song.clean)[None],
            gradient,
            was_sing,
            settings,
            threshold=threshold,
            exact_logits=None if settings.precision == "float32" else lambda delta: exact(song.clean + delta[0])[0][None],
            saved=saved,
            identity={"domain": domain, "chunk_frames": chunk_frames, **_identity(audio, network, frontend)},
            description=f"{domain} attack",
        )
    delta = found.delta[0]
    _, adversarial_frames = exact(song.clean + delta)
    return SongAttack(
        domain=domain,
        threshold=threshold,
        start_seconds=start_seconds,
        snr_db=float(snr_db(song.clean[None], delta[None])),
        delta_l2=float(torch.linalg.vector_norm(delta.double())),
        delta_max=float(delta.abs().max()),
        delta=delta.cpu().numpy().reshape(len(delta), -1),
        clean_log_mel=clean_frames.cpu().numpy(),
        adversarial_log_mel=adversarial_frames.cpu().numpy(),
        clean_logit=clean_logits.cpu().numpy(),
        adversarial_logit=found.logits[0].cpu().numpy(),
        loss_history=found.loss_history,
        flipped_history=found.flipped_history,
    )


def _identity(audio: np.ndarray, network: Network, frontend: FrontEnd) -> dict[str, Any]:
    """Tell audio and detector by what they hold, not by what a machine makes of them: another may go on with the attack."""
    held = [network.mean, network.scale, *(t for layer in network.layers for t in (layer.weight, layer.bias) if t is not None)]
    weights = 0
    for tensor in held:
        weights = zlib.crc32(tensor.cpu().contiguous().numpy().data, weights)
    return {"frontend": asdict(frontend), "audio": zlib.crc32(np.ascontiguousarray(audio).data), "weights": weights}


def attack_excerpts(
    audio: np.ndarray,
    start_frames: np.ndarray,
    network: Network,
    frontend: FrontEnd,
    settings: AttackSettings,
    *,
    domain: Domain,
    threshold: float,
    start_seconds: float = 0.0,
    saved: SavedState | None = None,
) -> ExcerptAttack:
    """Find a perturbation of its own for each of some excerpts; parameters as `attack_song`.

    Parameters
    ----------
    start_frames : ndarray of int, shape (n_excerpts,)
        First frame of each excerpt; see `inner_start_frames`.

    Returns
    -------
    ExcerptAttack

    Raises
    ------
    ConfigError
        When there is no excerpt to attack.

    Notes
    -----
    Differs from the paper, which perturbs whole songs.
    """
    if len(start_frames) == 0:
        raise ConfigError("no excerpt lies wholly inside the audio: set attacks.scope to song or leave the song out")
    windows = np.stack([audio[excerpt_samples(int(start), frontend)] for start in start_frames])
    samples = torch.as_tensor(windows, device=network.device)

    def to_magnitudes(x: Tensor) -> Tensor:
        return excerpt_magnitudes(x, frontend) if domain == "waveform" else x

    clean = samples if domain == "waveform" else excerpt_magnitudes(samples, frontend)
    fast = network.lowered(torch.bfloat16) if settings.precision == "bfloat16" else network

    def gradient(delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        x = (clean + delta).requires_grad_()
        logits = fast.logits(log_mel(to_magnitudes(x), frontend))[:, None]
        loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        (slope,) = torch.autograd.grad(alpha * loss, x)
        return logits.detach(), slope

    def exact_logits(delta: Tensor) -> Tensor:
        with torch.no_grad(), tf32(allowed=False):
            return network.logits(log_mel(to_magnitudes(clean + delta), frontend))[:, None]

    with torch.no_grad(), tf32(allowed=False):
        clean_frames = log_mel(to_magnitudes(clean), frontend)
        clean_logits = network.logits(clean_frames)
    was_sing = is_sing(torch.sigmoid(clean_logits), threshold)[:, None]
    with tf32(allowed=settings.precision == "tf32"):
        found = minimise(
            torch.zeros_like(clean),
            gradient,
            was_sing,
            settings,
            threshold=threshold,
            exact_logits=None if settings.precision == "float32" else exact_logits,
            saved=saved,
            identity={"domain": domain, **_identity(windows, network, frontend)},
            description=f"{domain} attack on excerpts",
        )
    with torch.no_grad():
        adversarial_frames = log_mel(to_magnitudes(clean + found.delta), frontend)
    delta = found.delta.cpu().numpy()
    return ExcerptAttack(
        domain=domain,
        threshold=threshold,
        start_seconds=start_seconds,
        start_frame=np.asarray(start_frames, dtype=np.int64),
        delta=delta.reshape(*delta.shape[:2], -1),
        snr_db=snr_db(clean, found.delta).cpu().numpy(),
        clean_log_mel=clean_frames.cpu().numpy(),
        adversarial_log_mel=adversarial_frames.cpu().numpy(),
        clean_logit=clean_logits.cpu().numpy(),
        adversarial_logit=found.logits[:, 0].cpu().numpy(),
        loss_history=found.loss_history,
        flipped_history=found.flipped_history,
    )


def inner_start_frames(n_samples: int, frontend: FrontEnd) -> np.ndarray:
    """Return the first frames of all excerpts whose analysis windows lie wholly inside the audio."""
    margin = -(-(frontend.frame_samples // 2) // frontend.hop_samples)  # frames whose window begins before the audio
    last = excerpt_samples(0, frontend).stop
    return np.arange(margin, max(margin, (n_samples - last) // frontend.hop_samples + 1))


def snr_db(clean: Tensor, delta: Tensor) -> Tensor:
    """Return the energy of the clean input over that of the perturbation in dB; shape (n, ...) to (n,)."""
    signal, noise = (x.double().flatten(1).pow(2).sum(dim=1) for x in (clean, delta))
    return 10 * torch.log10(signal / noise)


def central(audio: np.ndarray, seconds: float | None, frontend: FrontEnd) -> tuple[np.ndarray, float]:
    """Return the central seconds of a song and where they begin; all of it when `seconds` is None or longer."""
    if seconds is None or seconds * frontend.sample_rate >= len(audio):
        return audio, 0.0
    length = round(seconds * frontend.sample_rate)
    start = (len(audio) - length) // 2 // frontend.hop_samples * frontend.hop_samples  # on a frame of the whole song
    return audio[start : start + length], start / frontend.sample_rate
