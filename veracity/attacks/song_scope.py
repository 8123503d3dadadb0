"""Attacks on a whole song with one perturbation (scope ``song``, as in the paper)."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..detector.network import Network
from ..errors import one_of, within
from ..jobs.devices import tf32
from ..jobs.resuming import SavedState
from ..jobs.workers import Workers, workers
from ..songs.frontend import FrontEnd
from .attacked import Attacked, attack, identity_of, of_updates
from .detector import AttackedDetector
from .minimiser import Resumable
from .perturbations import SongAttack
from .perturbed import Magnitudes, Waveform
from .settings import DOMAINS, GPU_CHUNK_FRAMES, AttackSettings, Domain, Precision, n_cpu_chunks


class _Song(Attacked):
    """Song as the single item of an attack; front end and detector process it in chunks, one on each thread."""

    def __init__(
        self,
        audio: np.ndarray,
        network: Network,
        frontend: FrontEnd,
        domain: Domain,
        chunk_frames: int | None,
        precision: Precision,
        threads: Workers,
    ) -> None:
        self.threads = threads
        samples = torch.as_tensor(audio, device=network.device)
        self.song = Waveform(samples, frontend) if domain == "waveform" else Magnitudes(samples, frontend)
        if chunk_frames is None:
            n = self.song.n_excerpts
            chunk_frames = math.ceil(n / n_cpu_chunks(n)) if network.device.type == "cpu" else GPU_CHUNK_FRAMES
        self.chunks, self.context = self.song.chunks(chunk_frames), frontend.excerpt_frames - 1
        self.network = network
        self.fast = of_updates(network, precision)
        self.clean = self.song.clean[None]

    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        x = self.song.extended(self.song.clean + delta[0])

        def of_chunk(chunk: tuple[int, int]) -> tuple[Tensor, Tensor]:
            first, last = chunk
            leaf = x[self.song.seen(first, last)].detach().requires_grad_()
            part = self.fast.dense_logits(self.song.log_mel(leaf, first, last))
            part_target = target[0, first : last - self.context]
            entropy = functional.binary_cross_entropy_with_logits(part, part_target, reduction="sum")
            return part.detach(), torch.autograd.grad(entropy, leaf)[0]

        grad, logits = torch.zeros_like(x), []
        for chunk, (part, part_grad) in zip(self.chunks, self.threads.map(of_chunk, self.chunks), strict=True):
            grad[self.song.seen(*chunk)] += part_grad
            logits.append(part)
        return torch.cat(logits)[None], self.song.folded(grad * (alpha / self.song.n_excerpts))[None]

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.song.extended(x[0])

        def of_chunk(chunk: tuple[int, int]) -> tuple[Tensor, Tensor]:
            with torch.no_grad():  # the gradient mode is separate for each thread
                frames = self.song.log_mel(x[self.song.seen(*chunk)], *chunk)
                return self.network.dense_logits(frames), frames

        with tf32(allowed=False):
            logits, frames = zip(*self.threads.map(of_chunk, self.chunks), strict=True)
        # Chunks overlap, so frames that the next chunk contains are removed.
        joined = torch.cat([*(part[: -self.context] for part in frames[:-1]), frames[-1]])
        return torch.cat(logits)[None], joined[None]


def attack_song(
    audio: np.ndarray | Tensor,
    attacked: AttackedDetector,
    settings: AttackSettings,
    *,
    domain: Domain,
    chunk_frames: int | None = None,
    saved: SavedState | None = None,
    threads: int | None = None,
) -> SongAttack:
    """Attack a whole song with one perturbation that flips as many frames as possible.

    Parameters
    ----------
    audio : ndarray or Tensor, shape (n_samples,), float32
        Attacked part of the song.
    attacked : AttackedDetector
        Attacked detector with its front end and threshold.
    settings : AttackSettings
        Settings of the attack.
    domain : {"waveform", "spectrogram"}
        Domain of the perturbation. With "spectrogram", the linear magnitudes are perturbed, including those of the silence
        before and after the song, as in the published implementation.
    chunk_frames : int, optional
        Number of excerpts that are processed together, which limits memory; by default about 1024 on a CPU and 4096 on a GPU.
        The gradient is that of the whole song.
    saved : SavedState, optional
        Saved state from which the attack resumes. The caller removes it after writing the result.
    threads : int, optional
        Number of CPU threads, each of which processes one chunk at a time; by default torch's number of threads. The result
        does not depend on it.

    Returns
    -------
    SongAttack
        Perturbation after the last update. Its field `start_seconds` is 0, the start of `audio`.

    Raises
    ------
    ConfigError
        If `domain` or `chunk_frames` is invalid.
    NumericalError
        If the loss is not finite.
    """
    one_of(domain, DOMAINS, "domain")
    if chunk_frames is not None:
        within(chunk_frames, 1, 10**9, "chunk_frames", whole=True)
    network, frontend, threshold = attacked.network, attacked.frontend, attacked.threshold
    audio = torch.as_tensor(audio).detach().cpu().numpy()
    identity = {"domain": domain, "chunk_frames": chunk_frames, **identity_of(audio, network, frontend)}
    with workers(threads, network.device) as of_song:
        result = attack(
            _Song(audio, network, frontend, domain, chunk_frames, settings.precision, of_song),
            settings,
            threshold=threshold,
            resumable=Resumable(f"{domain} attack", saved or SavedState(), identity),
        )
        delta = result.delta[0]
        delta_l2 = float(torch.linalg.vector_norm(delta.double()))
    return SongAttack(
        domain=domain,
        threshold=threshold,
        start_seconds=0.0,
        snr_db=float(result.snr_db),
        delta_l2=delta_l2,
        delta_max=float(delta.abs().max()),
        delta=delta.cpu().numpy().reshape(len(delta), -1),
        clean_log_mel=result.clean_frames[0].cpu().numpy(),
        adversarial_log_mel=result.adversarial_frames[0].cpu().numpy(),
        clean_logit=result.clean_logits[0].cpu().numpy(),
        adversarial_logit=result.adversarial_logits[0].cpu().numpy(),
        loss_history=result.loss_history,
        flipped_history=result.flipped_history,
    )
