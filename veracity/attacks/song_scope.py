"""One perturbation for a whole song (scope ``song``, the paper)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..detector.checkpoints import AnyDetector, as_network
from ..detector.network import Network
from ..errors import one_of, within
from ..jobs.devices import tf32
from ..jobs.resuming import SavedState
from ..songs.frontend import FrontEnd
from .attacked import Attacked, attack, identity_of, of_updates
from .perturbations import SongAttack
from .perturbed import Magnitudes, Waveform
from .settings import DOMAINS, AttackSettings, Domain, Precision


class _Song(Attacked):
    """A song as the one item that is attacked; front end and detector see it a chunk at a time."""

    def __init__(
        self, audio: np.ndarray, network: Network, frontend: FrontEnd, domain: Domain, chunk_frames: int, precision: Precision
    ) -> None:
        samples = torch.as_tensor(audio, device=network.device)
        self.song = Waveform(samples, frontend) if domain == "waveform" else Magnitudes(samples, frontend)
        self.chunks, self.context = self.song.chunks(chunk_frames), frontend.excerpt_frames - 1
        self.network = network
        self.fast = of_updates(network, precision)
        self.clean = self.song.clean[None]

    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        x = self.song.extended(self.song.clean + delta[0])
        slope, logits = torch.zeros_like(x), []
        for first, last in self.chunks:
            seen = self.song.seen(first, last)
            leaf = x[seen].detach().requires_grad_()
            part = self.fast.dense_logits(self.song.log_mel(leaf, first, last))
            goal = target[0, first : last - self.context]
            entropy = functional.binary_cross_entropy_with_logits(part, goal, reduction="sum")
            slope[seen] += torch.autograd.grad(entropy, leaf)[0]
            logits.append(part.detach())
        return torch.cat(logits)[None], self.song.folded(slope * (alpha / self.song.n_excerpts))[None]

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.song.extended(x[0])
        with torch.no_grad(), tf32(allowed=False):
            frames = [self.song.log_mel(x[self.song.seen(*chunk)], *chunk) for chunk in self.chunks]
            logits = [self.network.dense_logits(part) for part in frames]
        # Chunks overlap: of all but the last, what the next one begins with is left out.
        joined = torch.cat([*(part[: -self.context] for part in frames[:-1]), frames[-1]])
        return torch.cat(logits)[None], joined[None]


def attack_song(
    audio: np.ndarray | Tensor,
    detector: AnyDetector,
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
    audio : ndarray or Tensor, shape (n_samples,), float32
    detector : Network, Detector, Checkpoint or path-like
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

    Raises
    ------
    ConfigError
        When an argument is none that there is.
    """
    one_of(domain, DOMAINS, "domain")
    within(threshold, 0, 1, "threshold")
    within(chunk_frames, 1, 10**9, "chunk_frames", whole=True)
    network = as_network(detector)
    audio = torch.as_tensor(audio).detach().cpu().numpy()
    result = attack(
        _Song(audio, network, frontend, domain, chunk_frames, settings.precision),
        settings,
        threshold=threshold,
        saved=saved,
        identity={"domain": domain, "chunk_frames": chunk_frames, **identity_of(audio, network, frontend)},
        description=f"{domain} attack",
    )
    delta = result.delta[0]
    return SongAttack(
        domain=domain,
        threshold=threshold,
        start_seconds=start_seconds,
        snr_db=float(result.snr_db),
        delta_l2=float(torch.linalg.vector_norm(delta.double())),
        delta_max=float(delta.abs().max()),
        delta=delta.cpu().numpy().reshape(len(delta), -1),
        clean_log_mel=result.clean_frames[0].cpu().numpy(),
        adversarial_log_mel=result.adversarial_frames[0].cpu().numpy(),
        clean_logit=result.clean_logits[0].cpu().numpy(),
        adversarial_logit=result.adversarial_logits[0].cpu().numpy(),
        loss_history=result.loss_history,
        flipped_history=result.flipped_history,
    )
